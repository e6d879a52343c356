"""One port mapping over AddPortMapping or AddAnyPortMapping, with workarounds for what gateways refuse."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

from portmapper.api import (
    ANY_PORT,
    BackendError,
    Conflict,
    IPAddress,
    MapRequest,
    TableEntry,
    Trait,
)
from portmapper_upnp.add_request import AddRequest, Granted
from portmapper_upnp.behavior import DeviceBehavior
from portmapper_upnp.connection import WanConnection, remote_host
from portmapper_upnp.device import third_party_refused
from portmapper_upnp.soap_fault import (
    ACTION_FAILED,
    CONFLICT,
    CONFLICT_WITH_OTHER_MECHANISM,
    INVALID_ACTION,
    INVALID_ARGUMENTS,
    NOT_AUTHORIZED,
    ONLY_ANY_PORT,
    OUT_OF_MEMORY,
    SAME_PORTS_REQUIRED,
    TABLE_FULL,
    Fault,
)

OTHER_PORTS = 8
"""How many other external ports are tried before the request ends in a conflict (M4)."""

_FINAL = frozenset({OUT_OF_MEMORY, NOT_AUTHORIZED, ONLY_ANY_PORT, TABLE_FULL})
"""Refusals that other values do not change (M7)."""

_TAKEN = frozenset({CONFLICT, CONFLICT_WITH_OTHER_MECHANISM, ACTION_FAILED})

_log = logging.getLogger(__name__)


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
        self._connection = connection
        self._behavior = behavior
        self._request = request
        self._adding = AddRequest(connection, behavior, request, permanent)
        self._holders = self._adding.holders
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
            return await self._adding.add("AddAnyPortMapping", desired)
        except Fault as fault:
            # Whatever the reason, AddPortMapping decides: some gateways refuse only this action (M8).
            if fault.number in (INVALID_ACTION, INVALID_ARGUMENTS, 602):
                self._behavior.no_any_port = True
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
        if not self._adding.renews(port) and not self._request.replace:
            await self._check_free(port)
        try:
            if self._request.recreate and self._adding.renews(port):
                await self._close_damaged(port)
            return await self._adding.add("AddPortMapping", port)
        except Fault as fault:
            if fault.number == SAME_PORTS_REQUIRED and port != self._request.internal_port:
                return await self._open_same_port(fault)
            if fault.number in _TAKEN or not fault.is_known:
                return await self._resolve_conflict(port, fault)
            granted = await self._open_simply(port, fault)
            if granted is None:
                raise
            return granted

    async def _close_damaged(self, port: int) -> None:
        """Close our port whose filter rule is gone: adding it again would only extend the lease."""
        holder = await self._holders.find(port)
        if holder is not None and self._holders.is_ours(holder):
            await self._connection.delete(self._request.protocol, port, remote_host(self._request))

    async def _check_free(self, port: int) -> None:
        """Look up the port first: some gateways silently overwrite the entry of another host."""
        if Trait.NEVER_OVERWRITES in self._request.traits or self._behavior.hides_entries:
            return
        holder = await self._holders.find(port)
        if holder is not None and not self._holders.is_ours(holder):
            raise self._conflict(port, holder, None)

    async def _open_same_port(self, fault: Fault) -> Granted:
        """Use the internal port as the external port too, unless the request is exact (M5)."""
        if self._request.exact:
            raise fault
        await self._check_free(self._request.internal_port)
        return await self._adding.add("AddPortMapping", self._request.internal_port)

    async def _resolve_conflict(self, port: int, fault: Fault) -> Granted:
        """Replace the entry of a taken port if it is ours or may be replaced, else raise `Conflict` (M3)."""
        holder = await self._holders.find(port)
        if holder is None or (self._is_vague(fault) and self._holds_permanently(port)):
            granted = await self._open_simply(port, fault)
            if granted is not None:
                return granted
        if not fault.is_known and holder is None:
            raise fault
        if holder is None and fault.number == CONFLICT and await self._closes_other_port(port):
            return await self._adding.add("AddPortMapping", port)
        if holder is None:
            if self._is_third_party and fault.number == CONFLICT:
                raise Fault(NOT_AUTHORIZED, fault.description)  # secure mode of some releases (M12)
            raise self._conflict(port, None, fault)
        if not (self._request.replace or self._holders.is_ours(holder)):
            raise self._conflict(port, holder, fault)
        if self._is_vague(fault) and self._adding.renews(port):
            # Our entry still has time left. Deleting it could lose it permanently (M13).
            raise BackendError(
                f"the gateway does not renew ({fault.number} {fault.description})", code=fault.number
            )
        for remote in {remote_host(self._request), ""}:
            await self._connection.delete(self._request.protocol, port, remote)
        return await self._adding.add("AddPortMapping", port)

    async def _closes_other_port(self, port: int) -> bool:
        """Close the former external port on gateways that allow only one for an internal port (M35)."""
        former = await self._holders.other_port(port)
        if former is None:
            return False
        return await self._connection.delete(self._request.protocol, former, remote_host(self._request))

    @staticmethod
    def _is_vague(fault: Fault) -> bool:
        return fault.number == ACTION_FAILED or not fault.is_known

    def _holds_permanently(self, port: int) -> bool:
        held = self._request.held
        return held is not None and self._adding.renews(port) and held.permanent

    async def _open_simply(self, port: int, fault: Fault) -> Granted | None:
        """Retry with a permanent lease and a plain description, as the simplest clients request (M1, M27).

        Gateways refuse a finite lifetime with codes that mean something else. A lease that we hold for some
        time stays as it is, and a gateway that denies the port or has no room is not asked again (M7).
        """
        is_first = self._request.held is None and port == self._desired_port()
        means_host = self._is_third_party and fault.number == CONFLICT
        denied = means_host or fault.number in _FINAL
        if denied or not (is_first or self._holds_permanently(port)):
            return None
        return await self._adding.add_simply(port)

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
