"""The Python API: keeps ports open for as long as a program runs, on its event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from portmapper.api.backend import Backend
from portmapper.api.errors import BackendError, NoGateway, RowError, UsageError
from portmapper.api.events import Event
from portmapper.api.model import (
    DEFAULT_DURATION,
    MAX_DURATION,
    ConflictPolicy,
    Family,
    IPAddress,
    Mapping,
    MappingState,
    Protocol,
)
from portmapper.pluginhost.faults import made
from portmapper.scheduler.lease_state import LeaseState, entries_of
from portmapper.scheduler.options import Options
from portmapper.scheduler.scheduler import Scheduler
from portmapper.sources.address_syntax import parse_gateway
from portmapper.sources.port_syntax import MAX_PORT
from portmapper.store.leases import Store
from portmapper.support.clock import Clock

SOURCE = "program"
"""Where such a mapping is from, in place of a source's location."""

OPEN_LIMIT = 15.0
"""Seconds within which a port is open, or the reason known why not."""

CLOSE_LIMIT = 10.0
"""Seconds that closing may take."""

LOOK_AGAIN = 0.01


class ClientLease:
    """A port that is kept open until it is closed, or its client is.

    One that is open on all gateways speaks of the best that holds it; `endpoints` has each.

    Attributes:
        mapping: what was asked for.
    """

    def __init__(self, client: Client, mapping: Mapping, entries: list[LeaseState]) -> None:
        self.mapping = mapping
        self._client = client
        self._last = entries

    @property
    def _entries(self) -> list[LeaseState]:
        """What became of it on each gateway; after the client's end, what was known last."""
        self._last = self._client.entries_of(self.mapping) or self._last
        return self._last

    @property
    def _entry(self) -> LeaseState:
        entries = self._entries
        return next((entry for entry in entries if entry.lease), entries[0])

    @property
    def endpoints(self) -> dict[str, tuple[IPAddress | None, int]]:
        """The outside address and port at each gateway that holds it, by the gateway's address."""
        leases = [entry.lease for entry in self._entries if entry.lease]
        return {
            lease.gateway.partition(":")[2]: (
                lease.external_address or self._client.external(lease.gateway),
                lease.external_port,
            )
            for lease in leases
        }

    @property
    def state(self) -> MappingState:
        """Where it stands now."""
        return self._entry.state

    @property
    def error(self) -> str | None:
        """Why it is not open, or why its renewal fails; None when all is well."""
        return self._entry.error

    @property
    def external_port(self) -> int | None:
        """The port outside, None while it is not open."""
        return self._entry.lease.external_port if self._entry.lease else None

    @property
    def external_address(self) -> IPAddress | None:
        """The gateway's outside address, None while nobody told."""
        lease = self._entry.lease
        return (lease.external_address or self._client.external(lease.gateway)) if lease else None

    @property
    def backend(self) -> str | None:
        """The protocol that holds it: `pcp`, `natpmp`, `upnp` or a plugin's."""
        return self._entry.lease.backend if self._entry.lease else None

    async def close(self) -> None:
        """Close the port; a failure is left to the lease's end. Closing twice is no error."""
        await self._client.close(self)


class Client:
    """Opens ports and renews them until it is left; nothing is written to disk.

    ```
    async with Client() as client:
        lease = await client.open(8080, "tcp")
    ```
    """

    def __init__(
        self,
        *,
        backend: Sequence[str] = (),
        gateway: Sequence[str] = (),
        conflict: ConflictPolicy | str = ConflictPolicy.OWN,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            backend: use only these protocols, in this order; empty is every one.
            gateway: ask these and search no other: addresses, or URLs of a description.
            conflict: what to do when a port is taken: `own`, `next`, `take` or `fail`.

        Raises:
            UsageError: `conflict` is no policy.
        """
        self._names = (backend,) if isinstance(backend, str) else tuple(backend)
        chosen = (gateway,) if isinstance(gateway, str) else tuple(gateway)
        if conflict not in list(ConflictPolicy):
            raise UsageError(f"conflict must be one of {', '.join(ConflictPolicy)}, not {conflict!r}")
        self._options = Options(conflict=ConflictPolicy(conflict), chosen=chosen)
        self._mappings: dict[object, Mapping] = {}
        self._scheduler: Scheduler | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to keep ports open.

        Raises:
            UsageError: a backend that no plugin brings, or a gateway's name that is none.
        """
        backends = _backends(self._names)
        # Not before: SQLite wants to be used by the thread that opened it.
        self._store = Store(None)
        self._scheduler = Scheduler(backends, self._store, _ignore, self._options, Clock())
        self._running = asyncio.create_task(self._scheduler.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every port, and stop."""
        scheduler, self._scheduler = self._begun(), None
        assert self._running is not None, "it was entered"
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSE_LIMIT):
                await scheduler.release_all()
        except TimeoutError:
            pass  # what the gateway does not release ends with its lease
        finally:
            await scheduler.close()
            self._store.close()

    async def open(
        self,
        port: int,
        protocol: str = "tcp",
        *,
        internal_port: int | None = None,
        address: IPAddress | None = None,
        family: Family | str | None = None,
        lifetime: int = DEFAULT_DURATION,
        comment: str = "",
        gateway: str | None = None,
    ) -> ClientLease:
        """Open a port, and keep it open.

        Args:
            port: wanted external port; 0 takes any, and needs `internal_port`.
            protocol: `tcp` or `udp`.
            internal_port: port that listens; default the same.
            address: the host that listens; default this one.
            family: `ipv4` or `ipv6`, a pinhole; default that of `address`, else `ipv4`.
            lifetime: seconds to ask for at a time; it is renewed before they are over.
            comment: for the gateway's table.
            gateway: `all` keeps it open on every gateway that answers, an address asks that one alone;
                default the best.

        Raises:
            UsageError: a port, a protocol, a family, a lifetime or a gateway that is none.
            NoGateway: no gateway answered.
            BackendError: the gateways that answered refused, with the reason of the first.
        """
        scheduler = self._begun()
        mapping = _mapping(port, protocol, internal_port, address, family, lifetime, comment, gateway)
        self._mappings[mapping.key] = mapping
        scheduler.set_desired(self._mappings.values())
        try:
            async with asyncio.timeout(OPEN_LIMIT):
                while not _decided(scheduler, mapping):  # noqa: ASYNC110 - as in on_request
                    await asyncio.sleep(LOOK_AGAIN)
        except BaseException as error:
            self._forget(mapping)
            if isinstance(error, TimeoutError):
                raise NoGateway(f"no gateway answered within {OPEN_LIMIT:.0f} s") from error
            raise
        entries = entries_of(scheduler.entries, mapping)
        if not any(entry.lease for entry in entries):
            self._forget(mapping)
            raise _reason(entries)
        return ClientLease(self, mapping, entries)

    async def close(self, lease: ClientLease) -> None:
        """Close one port, as `ClientLease.close` does."""
        held = [entry.lease.token for entry in lease._entries if entry.lease]
        self._forget(lease.mapping)
        try:
            async with asyncio.timeout(CLOSE_LIMIT):
                while any(self._store.get(token) is not None for token in held):  # noqa: ASYNC110 - the same
                    await asyncio.sleep(LOOK_AGAIN)
        except TimeoutError:
            return

    def entries_of(self, mapping: Mapping) -> list[LeaseState]:
        """Return what became of a mapping that was asked for; nothing once the client is left."""
        return entries_of(self._scheduler.entries, mapping) if self._scheduler else []

    def external(self, gateway: str) -> IPAddress | None:
        """Return the outside address that a gateway, by its identity, told last."""
        return self._scheduler.external.get(gateway) if self._scheduler else None

    def _forget(self, mapping: Mapping) -> None:
        if self._mappings.pop(mapping.key, None) is not None and self._scheduler is not None:
            self._scheduler.set_desired(self._mappings.values())

    def _begun(self) -> Scheduler:
        if self._scheduler is None:
            raise UsageError("the client is used inside 'with' or 'async with' only")
        return self._scheduler


def _backends(names: Sequence[str]) -> list[Backend]:
    from portmapper.pluginhost.manager import load_plugins

    return made("backend", load_plugins().choose_backends(names))


def _mapping(
    port: int,
    protocol: str,
    internal_port: int | None,
    address: IPAddress | None,
    family: Family | str | None,
    lifetime: int,
    comment: str,
    gateway: str | None,
) -> Mapping:
    inside = port if internal_port is None else internal_port
    if not 0 <= port <= MAX_PORT or not 1 <= inside <= MAX_PORT:
        raise UsageError(f"ports are 1 to {MAX_PORT}, and 0 (any) needs an internal port")
    if protocol.upper() not in list(Protocol):
        raise UsageError(f"protocol must be tcp or udp, not {protocol!r}")
    if not 0 <= lifetime <= MAX_DURATION:
        raise UsageError(f"a lifetime is 0 to {MAX_DURATION} seconds")
    own = Family.of(address) if address is not None else None
    if family is not None and (family not in list(Family) or own not in (None, family)):
        raise UsageError(f"family must be ipv4 or ipv6, and that of the address, not {family!r}")
    try:
        at = parse_gateway(gateway or "")
    except RowError as error:
        raise UsageError(str(error)) from None
    return Mapping(
        protocol=Protocol(protocol.upper()),
        port=port,
        internal_port=inside,
        address=address,
        family=Family(family or own or Family.IPV4),
        duration=lifetime,
        comment=comment or "portmapper",
        gateway=at,
        source=SOURCE,
    )


def _decided(scheduler: Scheduler, mapping: Mapping) -> bool:
    entries = entries_of(scheduler.entries, mapping)
    tried = all(entry.lease or entry.attempts or entry.removed for entry in entries)
    return tried and not scheduler.is_searching


def _reason(entries: list[LeaseState]) -> Exception:
    refusals = [error for entry in entries for _, error in entry.refusals]
    if not refusals:
        return NoGateway(entries[0].error or "no gateway answered")
    refusal: BackendError = refusals[0]
    return refusal


def _ignore(event: Event) -> None:
    """The program sees its leases; there is no journal."""
