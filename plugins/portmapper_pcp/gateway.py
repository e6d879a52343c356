"""What the PCP and the NAT-PMP gateway have in common: one exchange, one epoch, one listener."""

from __future__ import annotations

import abc
import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeVar

from portmapper.api import (
    BackendError,
    Gateway,
    GatewayEvent,
    GatewayTimeout,
    IPAddress,
    NetworkFailure,
    Target,
    WatchesGateway,
)
from portmapper_pcp.announcements import Listener
from portmapper_pcp.epoch import Epoch, Rule
from portmapper_pcp.exchange import Exchange
from portmapper_pcp.former_address import say
from portmapper_pcp.wire import SERVER_PORT, MalformedPacket, Reply

DISBELIEF = 1.5
"""Seconds after a restart was told for which the next one is told at once only when the gateway's own epoch
confirms it, else when they are over: gateways repeat their announcements, a LAN can be flooded with forged
ones, and yet a gateway may restart twice."""

LONGEST_LIFETIME = 604800
"""Asked for when a mapping is wanted for as long as the gateway will: a week, UPnP IGD v2's longest too.
More would outlive us by too much where we vanish without a word."""

WINDOW = 6
"""Requests under way at once. A gateway answers one after the other, so a few keep it busy (miniupnpd is
as fast with 4 as with 64); more only wait in its socket's buffer, and where it needs 30 ms for each, as
small routers do, until we believe them lost and send them again."""

_log = logging.getLogger(__name__)

R = TypeVar("R", bound=Reply)
G = TypeVar("G", bound="Port5351Gateway[Any]")


class Port5351Gateway(Gateway, WatchesGateway, Generic[R]):
    """A gateway that answers on UDP port 5351.

    Args:
        target: where it is; `target.gateway` must be known.
        read: the protocol's parser of replies.
        rule: the protocol's way to tell a restart.
        clock: monotonic seconds.
    """

    concurrency = WINDOW
    one_per_internal_port = True

    def __init__(
        self,
        target: Target,
        read: Callable[[bytes], R],
        rule: Rule,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if target.gateway is None:
            raise NetworkFailure("there is no gateway to ask")
        self.address = target.gateway
        self.local_address = target.local_address
        self._port = target.port or SERVER_PORT
        self._clock = clock
        self._epoch = Epoch(rule)
        self._exchange: Exchange[R] = Exchange(
            target.local_address,
            target.gateway,
            self._port,
            read=read,
            answered=self._answered,
            refused=self._refused,
        )
        self._listener: Listener | None = None
        self._notify: Callable[[GatewayEvent], None] | None = None
        self._told = 0
        self._disbelieves_until = 0.0
        self._later: asyncio.TimerHandle | None = None

    async def probe(self) -> None:
        """Ask whether the gateway speaks this protocol; raises `GatewayTimeout` when it is silent for 3 s."""
        requested = self._clock()
        await self._confirm()
        self.latency = self._clock() - requested

    @property
    def epoch(self) -> tuple[int, float] | None:
        """The gateway's clock as last seen, and our own at that moment, in seconds; None before."""
        return self._epoch.last

    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """See `WatchesGateway`; where announcements cannot be heard, replies alone tell."""
        self._notify = notify
        if self._listener is not None:
            return
        try:
            self._listener = Listener(self.local_address, self.address, self._port, self._heard)
        except NetworkFailure as error:
            _log.info("%s: %s", self.identity, error)

    async def close(self) -> None:
        """Free both sockets; leases stay."""
        self._notify = None
        if self._later is not None:
            self._later.cancel()
        self._exchange.close()
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()
        await asyncio.sleep(0)  # asyncio closes a datagram socket in the loop's next round

    @abc.abstractmethod
    async def _confirm(self) -> None:
        """Ask the gateway for its epoch, and what else it announces; raises a `BackendError`."""

    @abc.abstractmethod
    def _suspect(self, packet: bytes) -> GatewayEvent | None:
        """Read an announcement; return what it means, None when it is nothing new."""

    @abc.abstractmethod
    def _answered(self, reply: R) -> None:
        """Learn from a reply."""

    async def _say_from(self, address: IPAddress, packet: bytes) -> NoReturn:
        """Send what cannot be answered, from an address that this host has no longer.

        Raises:
            GatewayTimeout: it was sent; what became of it shows when its port is asked for again.
            NetworkFailure: this process may not do that.
        """
        await say(packet, address, self.address, self._port)
        raise GatewayTimeout(f"{address} is not ours any more, so no answer can be heard")

    def _learn_epoch(self, epoch: int) -> None:
        if self._epoch.accept(epoch, self._clock()):
            self._tell(GatewayEvent.RESTARTED)

    def _refused(self) -> None:
        self._tell(GatewayEvent.GONE)

    def _tell(self, event: GatewayEvent) -> None:
        self._told += 1
        if self._notify is not None:
            self._notify(event)

    async def _heard(self, packet: bytes) -> None:
        """Let the gateway itself confirm an announcement: anybody on the LAN can forge its address.

        Its answer tells the event, and is what the next epochs are compared with. An announcement that it
        does not bear out is obeyed all the same, as RFC 6887 section 14.1.2 asks, but only once in a while.
        """
        try:
            event = self._suspect(packet)
        except (MalformedPacket, BackendError) as error:
            _log.debug("%s: ignored an announcement: %s", self.identity, error)
            return
        if event is None:
            return
        told = self._told
        try:
            await self._confirm()
        except BackendError as error:
            _log.debug("%s: an announcement is not confirmed: %s", self.identity, error)
            return
        self._believe(event, is_confirmed=self._told != told)

    def _believe(self, event: GatewayEvent, *, is_confirmed: bool) -> None:
        too_soon = self._disbelieves_until - self._clock()
        if not is_confirmed and too_soon > 0:
            if self._later is None:
                self._later = asyncio.get_running_loop().call_later(too_soon, self._tell_late, event)
            return
        if not is_confirmed:
            self._tell(event)
        self._disbelieves_until = self._clock() + DISBELIEF

    def _tell_late(self, event: GatewayEvent) -> None:
        self._later = None
        self._believe(event, is_confirmed=False)


async def answering(gateway: G) -> G | None:
    """Return the gateway if it speaks its protocol, None if it is silent; close it unless it is returned.

    Raises:
        BackendError: it is known not to speak it.
    """
    found = False
    try:
        await gateway.probe()
        found = True
    except GatewayTimeout:
        return None
    finally:
        if not found:
            await gateway.close()
    return gateway
