"""AddPortMapping or AddAnyPortMapping for one port, repeated with other values if necessary."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import attrs

from portmapper.api import UNREACHABLE, GatewayTimeout, MapRequest
from portmapper.support.values import frozen
from portmapper_upnp.behavior import (
    ANY_HOSTS,
    DAY,
    SHORT_LEASES,
    DeviceBehavior,
    other_lifetimes,
    plain_comment,
    readable_comment,
    tiny_comment,
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
    ONLY_WILDCARD,
    SOURCE_REQUIRED,
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
        ONLY_WILDCARD,
        SOURCE_REQUIRED,
        STRING_TOO_LONG,
    }
)

_ABOUT_THE_SOURCE = frozenset({ONLY_WILDCARD, SOURCE_REQUIRED})

ENOUGH = 12.0
"""Seconds after which no other values are tried: one request has a limit (`CALL_LIMIT` of the core)."""

LIFETIMES_ELSEWHERE = (DAY, SHORT_LEASES[-1])
"""Seconds that are tried with another remote host, for gateways that reject both."""

_log = logging.getLogger(__name__)


@frozen
class Values:
    """The arguments that gateways reject although others accept them.

    Attributes:
        lifetime: seconds, 0 for a permanent lease.
        comment: the description.
        remote: the remote host.
    """

    lifetime: int
    comment: str
    remote: str


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
        first = self._values()
        try:
            return await self._add_for(action, port, first)
        except Fault as fault:
            if not self._rejects_arguments(fault):
                raise
            refusal = fault
        enough = asyncio.get_running_loop().time() + ENOUGH
        for values in self._alternatives(first, refusal):
            granted = await self._accepted(action, port, values, refusal)
            if granted is not None:
                self._learn(values)
                return granted
            if asyncio.get_running_loop().time() > enough:
                break
        raise refusal

    async def add_simply(self, port: int) -> Granted | None:
        """Add the mapping with the values of the simplest clients; return None if they are refused too."""
        first = self._values()
        plain = attrs.evolve(first, comment=plain_comment(self._request.comment))
        unique = attrs.evolve(first, comment=self._unique())
        for values in dict.fromkeys([plain, attrs.evolve(plain, lifetime=0), unique]):
            if values == first:
                continue
            try:
                granted = await self._add_for("AddPortMapping", port, values)
            except Fault as fault:
                _log.debug("the gateway refuses %s: %s", values, fault)
            else:
                self._learn(values)
                return granted
        return None

    def _rejects_arguments(self, fault: Fault) -> bool:
        """Tell whether other values may help; access is never widened to do so."""
        restricted = fault.number == ONLY_WILDCARD and self._request.remote is not None
        return fault.number in _REJECTED_ARGUMENTS and not restricted

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
        if self._behavior.tiny_comments:
            write = tiny_comment
        return write(self._request.comment)

    def _values(self) -> Values:
        remote = remote_host(self._request) or self._behavior.any_host
        return Values(self.lifetime(), self.comment(), remote)

    def _unique(self) -> str:
        request = self._request
        return unique_comment(request.comment, request.protocol.value, request.internal_port)

    async def _add_for(self, action: str, port: int, values: Values) -> Granted:
        lifetime = values.lifetime
        arguments = {
            "NewRemoteHost": values.remote,
            "NewExternalPort": str(port),
            "NewProtocol": self._request.protocol.value,
            "NewInternalPort": str(self._request.internal_port),
            "NewInternalClient": str(self._request.internal_address),
            "NewEnabled": "1",
            "NewPortMappingDescription": values.comment,
            "NewLeaseDuration": str(lifetime),
        }
        try:
            return Granted(await self._connection.add(action, arguments) or port, lifetime)
        except UNREACHABLE as error:
            if isinstance(error, Moved | Refused):
                raise
            return await self._after_lost_answer(action, port, lifetime, arguments)
        except Fault as fault:
            if fault.number == NO_CODE and await self._opened_meanwhile(port, lifetime):
                return Granted(port, lifetime)  # a web page about an error, and an open port (M28)
            raise

    def _alternatives(self, first: Values, refusal: Fault) -> Iterator[Values]:
        """Yield other values, the smallest change first (M2, M19, M22, M32, M33, M34)."""
        plain = attrs.evolve(first, comment=plain_comment(self._request.comment))
        texts = [first] if plain == first else [first, plain]
        hosts = () if first.remote else ANY_HOSTS
        usual = dict.fromkeys((first.lifetime, 0, *LIFETIMES_ELSEWHERE))
        elsewhere = [attrs.evolve(plain, remote=host, lifetime=t) for host in hosts for t in usual]
        if refusal.number in _ABOUT_THE_SOURCE:
            yield from elsewhere
        lifetimes = () if refusal.number == ONLY_PERMANENT_LEASES else other_lifetimes(first.lifetime)
        if refusal.number == ONLY_PERMANENT_LEASES:
            yield from (attrs.evolve(text, lifetime=0) for text in texts)
        yield from texts[1:]
        yield from (attrs.evolve(text, lifetime=other) for text in texts for other in lifetimes)
        tiny = attrs.evolve(first, comment=tiny_comment(self._request.comment))
        yield from (attrs.evolve(tiny, lifetime=lifetime) for lifetime in dict.fromkeys((first.lifetime, 0)))
        if refusal.number not in _ABOUT_THE_SOURCE:
            yield from elsewhere

    def _learn(self, values: Values) -> None:
        if values.lifetime != self.lifetime():
            self._behavior.learn_lifetime(self.lifetime(), values.lifetime)
        self._learn_host(values)
        if values.comment == self._unique():
            self._behavior.unique_comments = True
        elif values.comment != self.comment():
            self._behavior.tiny_comments = values.comment != plain_comment(self._request.comment)
            self._behavior.plain_comments = True

    def _learn_host(self, values: Values) -> None:
        if values.remote != remote_host(self._request):
            self._behavior.any_host = self._connection.lookup.any_host = values.remote

    async def _accepted(self, action: str, port: int, values: Values, refusal: Fault) -> Granted | None:
        try:
            return await self._add_for(action, port, values)
        except Fault as fault:
            if fault.number not in _REJECTED_ARGUMENTS:
                if refusal.number in _ABOUT_THE_SOURCE:
                    self._learn_host(values)  # what it refuses now is something else
                raise
            _log.debug("the gateway rejects %s: %s", values, fault)
            return None

    async def _after_lost_answer(
        self, action: str, port: int, lifetime: int, arguments: dict[str, str]
    ) -> Granted:
        """Check the entry after a request without an answer, and repeat the request with more time (M21)."""
        if action == "AddAnyPortMapping":
            raise Fault(INVALID_ACTION, "no answer")  # AddPortMapping may work
        if await self._opened_meanwhile(port, lifetime):
            return Granted(port, lifetime)
        try:
            return Granted(await self._connection.add(action, arguments) or port, lifetime)
        except UNREACHABLE as error:
            if await self._opened_meanwhile(port, lifetime):
                return Granted(port, lifetime)
            if isinstance(error, GatewayTimeout):
                raise
            raise Fault(NO_CODE, "no valid answer") from error  # it may accept other values

    async def _opened_meanwhile(self, port: int, lifetime: int) -> bool:
        """Tell whether the entry of the port is ours now, and if it was before, whether it is renewed."""
        holder = await self.holders.find(port)
        if holder is None or not self.holders.is_ours(holder):
            return False
        # The first renewal comes when at most half of the lifetime is left.
        return not self.renews(port) or holder.lifetime * 4 >= lifetime * 3
