"""AddPortMapping or AddAnyPortMapping for one port, repeated with other values if necessary."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from portmapper.api import UNREACHABLE, GatewayTimeout, MapRequest
from portmapper.support.values import frozen
from portmapper_upnp.behavior import (
    DeviceBehavior,
    other_lifetimes,
    plain_comment,
    readable_comment,
    unique_comment,
)
from portmapper_upnp.connection import WanConnection, remote_host
from portmapper_upnp.port_holders import PortHolders
from portmapper_upnp.soap_fault import (
    ARGUMENT_INVALID,
    ARGUMENT_OUT_OF_RANGE,
    INVALID_ACTION,
    INVALID_ARGUMENTS,
    NO_CODE,
    ONLY_PERMANENT_LEASES,
    STRING_TOO_LONG,
    Fault,
    Moved,
    Refused,
)

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


class AddRequest:
    """What is requested, for any of the candidate ports."""

    def __init__(
        self, connection: WanConnection, behavior: DeviceBehavior, request: MapRequest, permanent: bool
    ) -> None:
        self._connection = connection
        self._behavior = behavior
        self._request = request
        self._permanent = permanent
        self.holders = PortHolders(connection, request, self.comment)

    async def add(self, action: str, port: int) -> Granted:
        """Add the mapping; if the gateway rejects an argument, retry with the values that others accept."""
        lifetime, comment = self.lifetime(), self.comment()
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

    async def add_simply(self, port: int) -> Granted | None:
        """Add the mapping with the values of the simplest clients; return None if they are refused too."""
        lifetime, comment = self.lifetime(), self.comment()
        plain = plain_comment(self._request.comment)
        for other, text in dict.fromkeys([(lifetime, plain), (0, plain), (lifetime, self._unique())]):
            if (other, text) == (lifetime, comment):
                continue
            try:
                granted = await self._add_for("AddPortMapping", port, other, text)
            except Fault as fault:
                _log.debug("the gateway refuses lifetime %d with description %r: %s", other, text, fault)
            else:
                self._learn(other, text)
                return granted
        return None

    def renews(self, port: int) -> bool:
        """Tell whether the request renews the lease of this port."""
        held = self._request.held
        return held is not None and held.external_port == port

    def lifetime(self) -> int:
        """Return the lifetime to request, as far as the gateway's limits are known."""
        if self._permanent:
            return 0
        return self._behavior.lifetime(self._request.lifetime, is_v2=self._connection.is_v2)

    def comment(self) -> str:
        """Return the description to request."""
        if self._behavior.unique_comments:
            return self._unique()
        write = plain_comment if self._behavior.plain_comments else readable_comment
        return write(self._request.comment)

    def _unique(self) -> str:
        request = self._request
        return unique_comment(request.comment, request.protocol.value, request.internal_port)

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
        except UNREACHABLE as error:
            if isinstance(error, Moved | Refused):
                raise
            return await self._after_lost_answer(action, port, lifetime, arguments)
        except Fault as fault:
            if fault.number == NO_CODE and await self._opened_meanwhile(port):
                return Granted(port, lifetime)  # a web page about an error, and an open port (M28)
            raise

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
        if lifetime != self.lifetime():
            self._behavior.permanent_only = lifetime == 0
            self._behavior.longest_lease = lifetime or None
        if comment == self._unique():
            self._behavior.unique_comments = True
        elif comment != self.comment():
            self._behavior.plain_comments = True

    async def _accepted(self, action: str, port: int, lifetime: int, comment: str) -> Granted | None:
        try:
            return await self._add_for(action, port, lifetime, comment)
        except Fault as fault:
            if fault.number not in _REJECTED_ARGUMENTS:
                raise
            _log.debug("the gateway rejects lifetime %d with description %r: %s", lifetime, comment, fault)
            return None

    async def _after_lost_answer(
        self, action: str, port: int, lifetime: int, arguments: dict[str, str]
    ) -> Granted:
        """Check the entry after a request without an answer, and repeat the request with more time (M21)."""
        if action == "AddAnyPortMapping":
            raise Fault(INVALID_ACTION, "no answer")  # AddPortMapping may work
        if await self._opened_meanwhile(port):
            return Granted(port, lifetime)
        try:
            return Granted(await self._connection.add(action, arguments) or port, lifetime)
        except UNREACHABLE as error:
            if await self._opened_meanwhile(port):
                return Granted(port, lifetime)
            if isinstance(error, GatewayTimeout):
                raise
            raise Fault(NO_CODE, "no valid answer") from error  # it may accept other values

    async def _opened_meanwhile(self, port: int) -> bool:
        if self.renews(port):
            return False
        holder = await self.holders.find(port)
        return holder is not None and self.holders.is_ours(holder)
