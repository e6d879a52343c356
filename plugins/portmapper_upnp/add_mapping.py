"""Opens one mapping with AddPortMapping and its relatives, around what gateways refuse."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

import attrs

from portmapper.api import ANY_PORT, BackendError, Conflict, IPAddress, MapRequest, TableEntry
from portmapper_upnp.connection import WanConnection
from portmapper_upnp.device import only_itself
from portmapper_upnp.faults import (
    ACTION_FAILED,
    CONFLICT,
    CONFLICT_WITH_OTHER_MECHANISM,
    INVALID_ACTION,
    INVALID_ARGUMENTS,
    NOT_AUTHORIZED,
    ONLY_PERMANENT_LEASES,
    SAME_PORTS_REQUIRED,
    Fault,
)

LONGEST_V2_LEASE = 604_800
"""Seconds; WANIPConnection:2 grants no more, and takes 0 for this."""

MAX_COMMENT = 64
OTHER_PORTS = 8
"""How many external ports are tried beside the wanted one before it is a conflict (M4)."""

_MINIUPNPD = "MiniUPnPd/"
"""How it names itself in its Server header, in whatever router it works."""

_TAKEN = frozenset({CONFLICT, CONFLICT_WITH_OTHER_MECHANISM, ACTION_FAILED})

_log = logging.getLogger(__name__)


@attrs.define
class Habits:
    """What a gateway has shown of itself; kept for as long as the gateway is known.

    Attributes:
        permanent_only: it refused a finite lifetime and took a permanent lease (M1).
        no_permanent: it refused lifetime 0 (M2).
        no_any_port: it does not know AddAnyPortMapping (M8).
        confuses_protocols: what is done at one protocol of a port may close the other.
        guards_entries: it never lets one host overwrite another's entry, so nobody has to look first.
    """

    permanent_only: bool = False
    no_permanent: bool = False
    no_any_port: bool = False
    confuses_protocols: bool = False
    guards_entries: bool = False

    @classmethod
    def of(cls, server: str) -> Habits:
        """Return what is known beforehand of the software that a gateway says it runs.

        miniupnpd answers 718 for a port of another host since its first releases. Its build on nftables,
        of 2.3.1 at least, looks for a port's filter rule without its protocol.
        """
        known = _MINIUPNPD in server
        return cls(confuses_protocols=known, guards_entries=known)


@attrs.frozen
class Granted:
    """What was opened: the external port, and the lifetime in seconds, 0 for a permanent lease."""

    external_port: int
    lifetime: int


class Opening:
    """One request under way."""

    def __init__(
        self, connection: WanConnection, habits: Habits, request: MapRequest, local_address: IPAddress
    ) -> None:
        self._connection = connection
        self._habits = habits
        self._request = request
        self._for_another = request.internal_address != local_address

    async def open(self) -> Granted:
        """Open the wanted port, or another when the request lets us.

        Raises:
            Conflict: somebody else holds it, and every other port tried.
            BackendError: any other refusal, typed.
        """
        conflict: Conflict | None = None
        try:
            if self._lets_the_gateway_choose():
                granted = await self._open_any()
                if granted is not None:
                    return granted
            for port in self._candidates():
                try:
                    return await self._open_port(port)
                except Conflict as error:
                    conflict = conflict or error
        except Fault as fault:
            raise self._typed(fault) from fault
        assert conflict is not None
        raise conflict

    def _lets_the_gateway_choose(self) -> bool:
        request = self._request
        settled = request.exact or request.replace or request.held is not None
        return self._connection.is_v2 and not settled and not self._habits.no_any_port

    async def _open_any(self) -> Granted | None:
        """Let the gateway find a free port near the wanted one; None when it cannot."""
        desired = self._wanted_port()
        try:
            return await self._add("AddAnyPortMapping", desired)
        except Fault as fault:
            if fault.number in (INVALID_ACTION, INVALID_ARGUMENTS, 602):
                self._habits.no_any_port = True
            elif fault.number not in _TAKEN and fault.number != SAME_PORTS_REQUIRED:
                raise
            _log.debug("no AddAnyPortMapping: %s", fault)
            return None

    def _wanted_port(self) -> int:
        """Name a concrete port always: gateways differ in what they make of 0."""
        request = self._request
        if request.held is not None and request.external_port in (ANY_PORT, request.held.external_port):
            return request.held.external_port
        return request.internal_port if request.external_port == ANY_PORT else request.external_port

    def _candidates(self) -> Iterator[int]:
        desired = self._wanted_port()
        yield desired
        if not self._request.exact:
            yield from (port for port in (desired + 1, desired + 2) if port <= 65535)
            yield from random.sample(range(49152, 65536), OTHER_PORTS - 2)

    async def _open_port(self, port: int) -> Granted:
        """Open exactly this port. Raises `Conflict`, or `Fault` for what no other port will cure."""
        if not self._renews(port) and not self._request.replace:
            await self._check_free(port)
        try:
            if self._request.anew and self._renews(port) and self._habits.confuses_protocols:
                await self._close_damaged(port)
            return await self._add("AddPortMapping", port)
        except Fault as fault:
            if fault.number == SAME_PORTS_REQUIRED and port != self._request.internal_port:
                return await self._open_same_port(fault)
            if fault.number not in _TAKEN:
                raise
            return await self._settle(port, fault)

    def _renews(self, port: int) -> bool:
        held = self._request.held
        return held is not None and held.external_port == port

    async def _close_damaged(self, port: int) -> None:
        """Close our port whose filter rule is gone: added over itself it would only get more time."""
        holder = await self._holder(port)
        if holder is not None and self._is_ours(holder):
            await self._connection.delete(self._request.protocol, port)

    async def _check_free(self, port: int) -> None:
        """Look first: some gateways overwrite another host's entry without a word."""
        if self._habits.guards_entries:
            return
        holder = await self._holder(port)
        if holder is not None and not self._is_ours(holder):
            raise self._conflict(port, holder, None)

    async def _open_same_port(self, fault: Fault) -> Granted:
        """Take the internal port outside too, unless the request is exact (M5)."""
        if self._request.exact:
            raise fault
        await self._check_free(self._request.internal_port)
        return await self._add("AddPortMapping", self._request.internal_port)

    async def _settle(self, port: int, fault: Fault) -> Granted:
        """Deal with a port said to be taken: ours or to be taken over is replaced, else a conflict (M3)."""
        holder = await self._holder(port)
        if fault.number == ACTION_FAILED and self._may_mean_the_lifetime(port, holder):
            granted = await self._open_for_ever(port)
            if granted is not None:
                return granted
        if holder is None:
            if self._for_another and fault.number == CONFLICT:
                raise Fault(NOT_AUTHORIZED, fault.words)  # secure mode of older miniupnpd (M12)
            raise self._conflict(port, None, fault)
        if not (self._request.replace or self._is_ours(holder)):
            raise self._conflict(port, holder, fault)
        if fault.number == ACTION_FAILED and self._renews(port):
            # Our entry stands and has time left: deleting it could lose it for good (M13).
            raise BackendError(
                f"the gateway does not renew ({fault.number} {fault.words})", code=fault.number
            )
        await self._connection.delete(self._request.protocol, port)
        return await self._add("AddPortMapping", port)

    def _may_mean_the_lifetime(self, port: int, holder: TableEntry | None) -> bool:
        """Tell whether 501 may stand for 725: nobody holds the port, or we do, for ever (M1, M4)."""
        held = self._request.held if self._renews(port) else None
        ours_for_ever = held is not None and held.permanent
        wanted_first = port == self._wanted_port() and holder is None and held is None
        return self._lifetime() > 0 and (ours_for_ever or wanted_first)

    async def _open_for_ever(self, port: int) -> Granted | None:
        try:
            granted = await self._add_for("AddPortMapping", port, 0)
        except Fault as fault:
            _log.debug("no permanent lease either: %s", fault)
            return None
        self._habits.permanent_only = True
        return granted

    async def _holder(self, port: int) -> TableEntry | None:
        """Return the port's entry, None also when the gateway does not tell."""
        try:
            return await self._connection.entry(self._request.protocol, port)
        except Fault as fault:
            _log.debug("the gateway does not tell who holds port %d: %s", port, fault)
            return None

    def _is_ours(self, holder: TableEntry) -> bool:
        """Tell whether the entry is the asking host's, or that of our lease at a former address (M16)."""
        request, held = self._request, self._request.held
        if holder.internal_address is None:  # a host name: the comment has to do
            return holder.internal_port == request.internal_port and holder.comment == self._comment
        if held is not None and holder.external_port == held.external_port:
            mine = (held.internal_address, held.internal_port)
            if (holder.internal_address, holder.internal_port) == mine:
                return True
        return holder.internal_address == request.internal_address

    async def _add(self, action: str, port: int) -> Granted:
        """Add, and once more with the other lifetime when this one is what the gateway minds."""
        lifetime = self._lifetime()
        try:
            return await self._add_for(action, port, lifetime)
        except Fault as fault:
            if fault.number not in (ONLY_PERMANENT_LEASES, INVALID_ARGUMENTS):
                raise
            other = 0 if lifetime else LONGEST_V2_LEASE
            granted = await self._add_for(action, port, other)
        self._habits.permanent_only, self._habits.no_permanent = other == 0, other != 0
        return granted

    async def _add_for(self, action: str, port: int, lifetime: int) -> Granted:
        arguments = {
            "NewRemoteHost": "",
            "NewExternalPort": str(port),
            "NewProtocol": self._request.protocol.value,
            "NewInternalPort": str(self._request.internal_port),
            "NewInternalClient": str(self._request.internal_address),
            "NewEnabled": "1",
            "NewPortMappingDescription": self._comment,
            "NewLeaseDuration": str(lifetime),
        }
        return Granted(await self._connection.add(action, arguments) or port, lifetime)

    def _lifetime(self) -> int:
        """Return the seconds to ask for; what v2 makes of 0 is asked for by its number."""
        if self._habits.permanent_only:
            return 0
        desired = self._request.lifetime
        if self._connection.is_v2:
            return min(desired or LONGEST_V2_LEASE, LONGEST_V2_LEASE)
        return LONGEST_V2_LEASE if desired == 0 and self._habits.no_permanent else desired

    @property
    def _comment(self) -> str:
        """The description as every gateway takes it: ASCII, short, not empty."""
        ascii_only = "".join(c if " " <= c <= "~" else "?" for c in self._request.comment)
        return ascii_only[:MAX_COMMENT].strip() or "portmapper"

    def _conflict(self, port: int, holder: TableEntry | None, fault: Fault | None) -> Conflict:
        where = f"external port {port}/{self._request.protocol}"
        code = fault.number if fault else None
        if holder is None:
            told = fault.typed() if fault else "taken"
            return Conflict(f"{where} is not to be had: {told}", code=code)
        who = holder.internal_address or "another host"
        return Conflict(f"{where} is held by {who}", holder=holder, code=code)

    def _typed(self, fault: Fault) -> BackendError:
        if fault.number == NOT_AUTHORIZED and self._for_another:
            return only_itself(self._request.internal_address, fault)
        return fault.typed()
