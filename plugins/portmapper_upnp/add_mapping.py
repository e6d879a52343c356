"""One port mapping over AddPortMapping or AddAnyPortMapping, with workarounds for what gateways refuse."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

from portmapper.api import (
    ANY_PORT,
    BackendError,
    Conflict,
    GatewayTimeout,
    IPAddress,
    MapRequest,
    TableEntry,
    Trait,
)
from portmapper.support.values import frozen
from portmapper_upnp.behavior import DeviceBehavior, other_lifetimes, plain_comment, readable_comment
from portmapper_upnp.connection import WanConnection, remote_host
from portmapper_upnp.device import third_party_refused
from portmapper_upnp.soap_fault import (
    ACTION_FAILED,
    ARGUMENT_INVALID,
    ARGUMENT_OUT_OF_RANGE,
    CONFLICT,
    CONFLICT_WITH_OTHER_MECHANISM,
    INVALID_ACTION,
    INVALID_ARGUMENTS,
    NOT_AUTHORIZED,
    ONLY_PERMANENT_LEASES,
    SAME_PORTS_REQUIRED,
    STRING_TOO_LONG,
    Fault,
)

OTHER_PORTS = 8
"""How many other external ports are tried before the request ends in a conflict (M4)."""

_TAKEN = frozenset({CONFLICT, CONFLICT_WITH_OTHER_MECHANISM, ACTION_FAILED})
_REJECTED_ARGUMENTS = frozenset(
    {
        ONLY_PERMANENT_LEASES,
        INVALID_ARGUMENTS,
        ARGUMENT_INVALID,
        ARGUMENT_OUT_OF_RANGE,
        STRING_TOO_LONG,
    }
)

_log = logging.getLogger(__name__)


@frozen
class Granted:
    """The result of a request: the external port, and the lifetime in seconds (0 for a permanent lease)."""

    external_port: int
    lifetime: int


class AddMapping:
    """One request to open a port."""

    def __init__(
        self,
        connection: WanConnection,
        behavior: DeviceBehavior,
        request: MapRequest,
        local_address: IPAddress,
        permanent: bool = False,
    ) -> None:
        self._permanent = permanent
        self._connection = connection
        self._behavior = behavior
        self._request = request
        self._is_third_party = request.internal_address != local_address

    async def open(self) -> Granted:
        """Open the desired port, or another one if the request is not exact.

        Raises:
            Conflict: other hosts hold the port and every other port that was tried.
            BackendError: the gateway refused for another reason.
        """
        conflict: Conflict | None = None
        try:
            if self._gateway_may_choose():
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

    def _gateway_may_choose(self) -> bool:
        request = self._request
        is_fixed = request.exact or request.replace or request.held is not None
        return self._connection.is_v2 and not is_fixed and not self._behavior.no_any_port

    async def _open_any(self) -> Granted | None:
        """Let the gateway find a free port near the desired one; return None if it cannot."""
        desired = self._desired_port()
        try:
            return await self._add("AddAnyPortMapping", desired)
        except Fault as fault:
            if fault.number in (INVALID_ACTION, INVALID_ARGUMENTS, 602):
                self._behavior.no_any_port = True
            elif fault.number not in _TAKEN and fault.number != SAME_PORTS_REQUIRED:
                raise
            _log.debug("AddAnyPortMapping failed: %s", fault)
            return None

    def _desired_port(self) -> int:
        """Return a specific port, never 0: gateways interpret 0 in different ways."""
        request = self._request
        if request.held is not None and request.external_port in (ANY_PORT, request.held.external_port):
            return request.held.external_port
        return request.internal_port if request.external_port == ANY_PORT else request.external_port

    def _candidates(self) -> Iterator[int]:
        desired = self._desired_port()
        yield desired
        if not self._request.exact:
            yield from (port for port in (desired + 1, desired + 2) if port <= 65535)
            yield from random.sample(range(49152, 65536), OTHER_PORTS - 2)

    async def _open_port(self, port: int) -> Granted:
        """Open exactly this port; raise `Conflict`, or `Fault` if another port would fail too."""
        if not self._renews(port) and not self._request.replace:
            await self._check_free(port)
        try:
            if self._request.recreate and self._renews(port):
                await self._close_damaged(port)
            return await self._add("AddPortMapping", port)
        except Fault as fault:
            if fault.number == SAME_PORTS_REQUIRED and port != self._request.internal_port:
                return await self._open_same_port(fault)
            if fault.number not in _TAKEN and fault.is_known:
                raise
            return await self._resolve_conflict(port, fault)

    def _renews(self, port: int) -> bool:
        held = self._request.held
        return held is not None and held.external_port == port

    async def _close_damaged(self, port: int) -> None:
        """Close our port whose filter rule is gone: adding it again would only extend the lease."""
        holder = await self._holder(port)
        if holder is not None and self._is_ours(holder):
            await self._connection.delete(self._request.protocol, port, remote_host(self._request))

    async def _check_free(self, port: int) -> None:
        """Look up the port first: some gateways silently overwrite the entry of another host."""
        if Trait.NEVER_OVERWRITES in self._request.traits or self._behavior.hides_entries:
            return
        holder = await self._holder(port)
        if holder is not None and not self._is_ours(holder):
            raise self._conflict(port, holder, None)

    async def _open_same_port(self, fault: Fault) -> Granted:
        """Use the internal port as the external port too, unless the request is exact (M5)."""
        if self._request.exact:
            raise fault
        await self._check_free(self._request.internal_port)
        return await self._add("AddPortMapping", self._request.internal_port)

    async def _resolve_conflict(self, port: int, fault: Fault) -> Granted:
        """Replace the entry of a taken port if it is ours or may be replaced, else raise `Conflict` (M3)."""
        holder = await self._holder(port)
        if self._is_vague(fault) and self._may_mean_lifetime(port, holder):
            granted = await self._open_permanent(port)
            if granted is not None:
                return granted
        if not fault.is_known and holder is None:
            raise fault
        if holder is None:
            if self._is_third_party and fault.number == CONFLICT:
                raise Fault(NOT_AUTHORIZED, fault.description)  # secure mode of some releases (M12)
            raise self._conflict(port, None, fault)
        if not (self._request.replace or self._is_ours(holder)):
            raise self._conflict(port, holder, fault)
        if self._is_vague(fault) and self._renews(port):
            # Our entry still has time left. Deleting it could lose it permanently (M13).
            raise BackendError(
                f"the gateway does not renew ({fault.number} {fault.description})", code=fault.number
            )
        for remote in {remote_host(self._request), ""}:
            await self._connection.delete(self._request.protocol, port, remote)
        return await self._add("AddPortMapping", port)

    @staticmethod
    def _is_vague(fault: Fault) -> bool:
        return fault.number == ACTION_FAILED or not fault.is_known

    def _may_mean_lifetime(self, port: int, holder: TableEntry | None) -> bool:
        """Tell whether 501 may mean 725: the port is free, or we hold it permanently (M1, M4)."""
        held = self._request.held if self._renews(port) else None
        held_permanently = held is not None and held.permanent
        is_first_try = port == self._desired_port() and holder is None and held is None
        return self._lifetime() > 0 and (held_permanently or is_first_try)

    async def _open_permanent(self, port: int) -> Granted | None:
        try:
            granted = await self._add_for("AddPortMapping", port, 0, self._comment)
        except Fault as fault:
            _log.debug("the gateway refuses a permanent lease too: %s", fault)
            return None
        self._behavior.permanent_only = True
        return granted

    async def _holder(self, port: int) -> TableEntry | None:
        """Return the entry of a port; None if there is none or the gateway does not report it."""
        try:
            return await self._entry(port)
        except BackendError as error:
            _log.debug("the gateway does not report the holder of port %d: %s", port, error)
            return None

    async def _entry(self, port: int) -> TableEntry | None:
        """Return the entry for our remote host, else the one for every host."""
        remote = remote_host(self._request)
        entry = await self._connection.optional_entry(self._request.protocol, port, remote)
        if entry is None and remote:
            entry = await self._connection.optional_entry(self._request.protocol, port)
        return entry

    def _is_ours(self, holder: TableEntry) -> bool:
        """Tell whether the entry is the requesting host's, or our lease's at a former address (M16)."""
        request, held = self._request, self._request.held
        if holder.internal_address is None:  # a host name: compare port and comment instead
            return holder.internal_port == request.internal_port and holder.comment == self._comment
        if held is not None and holder.external_port == held.external_port:
            ours = (held.internal_address, held.internal_port)
            if (holder.internal_address, holder.internal_port) == ours:
                return True
        return holder.internal_address == request.internal_address

    async def _add(self, action: str, port: int) -> Granted:
        """Add the mapping; if the gateway rejects an argument, retry with the values that others accept."""
        lifetime, comment = self._lifetime(), self._comment
        try:
            return await self._add_for(action, port, lifetime, comment)
        except Fault as fault:
            if fault.number not in _REJECTED_ARGUMENTS:
                raise
            refusal = fault
        for other, text in self._alternatives(lifetime, comment, refusal):
            granted = await self._accepted(action, port, other, text)
            if granted is not None:
                self._learn(other, text)
                return granted
        raise refusal

    def _alternatives(self, lifetime: int, comment: str, refusal: Fault) -> Iterator[tuple[int, str]]:
        """Yield other lifetimes and descriptions, the smallest change first (M2, M19, M22)."""
        plain = plain_comment(self._request.comment)
        texts = [comment] if plain == comment else [comment, plain]
        if refusal.number == ONLY_PERMANENT_LEASES:
            yield from ((0, text) for text in texts)
            return
        yield from ((lifetime, text) for text in texts[1:])
        yield from ((other, text) for text in texts for other in other_lifetimes(lifetime))

    def _learn(self, lifetime: int, comment: str) -> None:
        if lifetime != self._lifetime():
            self._behavior.permanent_only = lifetime == 0
            self._behavior.longest_lease = lifetime or None
        if comment != self._comment:
            self._behavior.plain_comments = True

    async def _accepted(self, action: str, port: int, lifetime: int, comment: str) -> Granted | None:
        try:
            return await self._add_for(action, port, lifetime, comment)
        except Fault as fault:
            if fault.number not in _REJECTED_ARGUMENTS:
                raise
            _log.debug("the gateway rejects lifetime %d with description %r: %s", lifetime, comment, fault)
            return None

    async def _add_for(self, action: str, port: int, lifetime: int, comment: str) -> Granted:
        arguments = {
            "NewRemoteHost": remote_host(self._request),
            "NewExternalPort": str(port),
            "NewProtocol": self._request.protocol.value,
            "NewInternalPort": str(self._request.internal_port),
            "NewInternalClient": str(self._request.internal_address),
            "NewEnabled": "1",
            "NewPortMappingDescription": comment,
            "NewLeaseDuration": str(lifetime),
        }
        try:
            return Granted(await self._connection.add(action, arguments) or port, lifetime)
        except GatewayTimeout:
            return await self._after_timeout(action, port, lifetime, arguments)

    async def _after_timeout(
        self, action: str, port: int, lifetime: int, arguments: dict[str, str]
    ) -> Granted:
        """Check the entry after a request without an answer, and repeat the request with more time (M21)."""
        if action == "AddAnyPortMapping":
            raise Fault(INVALID_ACTION, "no answer")  # AddPortMapping may work
        if await self._opened_meanwhile(port):
            return Granted(port, lifetime)
        try:
            return Granted(await self._connection.add(action, arguments) or port, lifetime)
        except GatewayTimeout:
            if await self._opened_meanwhile(port):
                return Granted(port, lifetime)
            raise

    async def _opened_meanwhile(self, port: int) -> bool:
        if self._renews(port):
            return False
        holder = await self._holder(port)
        return holder is not None and self._is_ours(holder)

    def _lifetime(self) -> int:
        if self._permanent:
            return 0
        return self._behavior.lifetime(self._request.lifetime, is_v2=self._connection.is_v2)

    @property
    def _comment(self) -> str:
        write = plain_comment if self._behavior.plain_comments else readable_comment
        return write(self._request.comment)

    def _conflict(self, port: int, holder: TableEntry | None, fault: Fault | None) -> Conflict:
        where = f"external port {port}/{self._request.protocol}"
        code = fault.number if fault else None
        if holder is None:
            reason = fault.typed() if fault else "taken"
            return Conflict(f"{where} is not available: {reason}", code=code)
        who = holder.internal_address or "another host"
        return Conflict(f"{where} is held by {who}", holder=holder, code=code)

    def _typed(self, fault: Fault) -> BackendError:
        if fault.number == NOT_AUTHORIZED and self._is_third_party:
            return third_party_refused(self._request.internal_address, fault)
        return fault.typed()
