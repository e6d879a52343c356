"""A request to open a port, verified in the gateway's table."""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs

from portmapper.api import (
    BackendError,
    IPAddress,
    MapRequest,
    NetworkFailure,
    NoResources,
    TableEntry,
    Unsupported,
)
from portmapper.support.clock import Clock
from portmapper.support.values import frozen
from portmapper_upnp.add_mapping import AddMapping
from portmapper_upnp.add_request import Granted
from portmapper_upnp.behavior import WEEK, DeviceBehavior
from portmapper_upnp.connection import WanConnection, remote_host

MARGIN = 5
"""Seconds by which the lifetime of a new entry may be below the requested lifetime."""

SHORTEST_LEASE = 6
"""Seconds. Renewals are at least 4 s apart, so a shorter lease would end before its renewal."""

_FULL = "the gateway accepts the mapping but does not store it: its table may be full"

_log = logging.getLogger(__name__)


class ShowsNothing(NetworkFailure):
    """The gateway confirms what is requested, and shows nothing of it."""


@frozen
class VerifiedMapping:
    """One request, and the lookup of the entry that it created.

    Attributes:
        only_service: no other service of the gateway may be the one that holds the entries (S10).
        now: a clock in seconds that goes on while the system is suspended.
    """

    connection: WanConnection
    behavior: DeviceBehavior
    request: MapRequest
    local_address: IPAddress
    only_service: bool = True
    now: Callable[[], float] = Clock().monotonic

    async def open(self) -> Granted:
        """Open the port, and return what the gateway's entry shows (M15, M17, M24, M25).

        Raises:
            NoResources: the gateway accepts the mapping but stores nothing: its table is full.
            BackendError: any other refusal or failure.
        """
        began = self.now()
        granted = await self._add()
        if self.behavior.extends_leases and self._only_renews(granted):
            return granted
        entry = await self._read(granted)
        if 0 < granted.lifetime <= self.now() - began + 1:
            return granted  # it ran out while this process or host stood still, so the table tells nothing
        if entry is not None and _is_too_short(granted, entry):
            return await self._open_longer(granted, entry)
        if entry is not None:
            shown = _as_shown(granted, entry)
            self.behavior.extends_leases |= shown == granted and self._only_renews(granted)
            return shown
        if self.behavior.shows_entries and await self._table_has_entries():
            await self._give_up(granted)
            raise NoResources(_FULL)
        return await self._open_permanently()

    async def open_restricted(self) -> Granted:
        """Open the port to one remote host, and check that the gateway did not open it to every host.

        Raises:
            Unsupported: the gateway ignores the remote host; the entry is closed again.
            BackendError: any other refusal or failure.
        """
        granted = await self._add()
        try:
            entry = await self._entry(granted, remote_host(self.request))
        except BackendError as error:
            _log.debug("the gateway does not report the mapping: %s", error)
            return granted
        if entry is not None:
            return _as_shown(granted, entry)
        await self._give_up(granted)
        await self._close_to_every_host(granted)
        raise Unsupported(f"the gateway ignores that only {remote_host(self.request)} may connect")

    async def _close_to_every_host(self, granted: Granted) -> None:
        if await self._entry(granted, "") is not None:
            await self.connection.delete(self.request.protocol, granted.external_port)

    async def _open_longer(self, granted: Granted, entry: TableEntry) -> Granted:
        """Replace a lease that ends before it can be renewed (M24).

        The gateway may not extend an existing lease, or its finite leases may all be too short.
        """
        shown: TableEntry | None = entry
        if self.request.held is not None:
            await self._give_up(granted)
            granted = await self._add()
            shown = await self._read(granted)
        if shown is None or not _is_too_short(granted, shown):
            return granted if shown is None else _as_shown(granted, shown)
        permanent = await self._add(permanent=True)
        shown = await self._read(permanent)
        self.behavior.permanent_only = shown is not None and permanent.lifetime == shown.lifetime == 0
        return permanent if shown is None else _as_shown(permanent, shown)

    def _only_renews(self, granted: Granted) -> bool:
        held = self.request.held
        known = held is not None and (held.external_port, held.lifetime)
        return known == (granted.external_port, granted.lifetime) and not self.request.recreate

    async def _add(self, *, permanent: bool = False) -> Granted:
        adding = AddMapping(self.connection, self.behavior, self.request, self.local_address, permanent)
        return await adding.open()

    async def _read(self, granted: Granted) -> TableEntry | None:
        """Return the entry of a new mapping, None if the gateway does not hold it.

        If the gateway cannot tell, trust its answer to the request, and return what was granted.
        """
        if self.behavior.hides_entries:
            return self._expected(granted)
        try:
            entry = await self._entry(granted, "")
            if entry is None and await self.connection.learns_to_find(
                self.request.protocol, granted.external_port
            ):
                entry = await self._entry(granted, "")
        except BackendError as error:
            _log.debug("the gateway does not report the mapping: %s", error)
            return self._expected(granted)
        if entry is not None:
            self.behavior.shows_entries = True
        return entry

    async def _entry(self, granted: Granted, remote: str) -> TableEntry | None:
        """Return the entry if it leads to the requesting host. Raise `BackendError`."""
        entry = await self.connection.optional_entry(
            self.request.protocol, granted.external_port, remote, enabled_only=True
        )
        address, port = self.request.internal_address, self.request.internal_port
        return entry if entry is not None and entry_leads_to(entry, address, port) else None

    def _expected(self, granted: Granted) -> TableEntry:
        request = self.request
        return TableEntry(
            protocol=request.protocol,
            external_port=granted.external_port,
            internal_address=request.internal_address,
            internal_port=request.internal_port,
            comment=request.comment,
            lifetime=granted.lifetime,
        )

    async def _table_has_entries(self) -> bool:
        """Tell whether the gateway holds other entries: then it may be full."""
        try:
            await self.connection.optional("GetGenericPortMappingEntry", self.connection.first_entry)
        except BackendError as error:
            _log.debug("the gateway shows no entry: %s", error)
            return False
        return True

    async def _open_permanently(self) -> Granted:
        """Retry on a gateway that shows no entry at all: it may hold no finite leases (M15)."""
        _log.warning("the gateway granted a mapping but does not show it; retrying with a permanent lease")
        permanent = await self._add(permanent=True)
        entry = await self._read(permanent)
        if entry is not None:
            self.behavior.permanent_only = permanent.lifetime == 0
            return _as_shown(permanent, entry)
        existed = await self._give_up(permanent)
        if await self._table_has_entries():
            raise NoResources(_FULL)
        if not existed or self.behavior.shows_entries:
            raise NetworkFailure("the gateway grants the mapping but does not hold it")
        if not self.only_service:
            raise ShowsNothing("the gateway grants the mapping but does not show it")
        # The deletion succeeded, so the entry existed: the gateway holds entries that it does not show.
        self.behavior.hides_entries = True
        return await self._add()

    async def _give_up(self, granted: Granted) -> bool:
        """Delete an entry that could not be read, and return whether it existed (M17)."""
        try:
            remote = remote_host(self.request)
            return await self.connection.delete(self.request.protocol, granted.external_port, remote)
        except BackendError as error:
            _log.debug("port %d is not closed: %s", granted.external_port, error)
            return False


def entry_leads_to(entry: TableEntry, address: IPAddress, port: int) -> bool:
    """Tell whether an entry maps to an address and port; compare only the port if it has no address."""
    return entry.internal_port == port and entry.internal_address in (address, None)


def _is_too_short(granted: Granted, entry: TableEntry) -> bool:
    """Tell whether an entry ends before it can be renewed, although a longer lifetime was granted."""
    return 0 < entry.lifetime < SHORTEST_LEASE and entry.lifetime + 1 < (granted.lifetime or WEEK)


def _as_shown(granted: Granted, entry: TableEntry) -> Granted:
    """Return the grant with the lifetime of the gateway's entry, if that is shorter (M24)."""
    shown = entry.lifetime
    if shown and shown + MARGIN < (granted.lifetime or WEEK):  # version 2 shows a permanent lease as a week
        return attrs.evolve(granted, lifetime=shown)
    return granted
