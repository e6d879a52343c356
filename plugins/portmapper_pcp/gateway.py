"""The base of the PCP and NAT-PMP gateways: one exchange, one epoch, one listener."""

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
from portmapper_pcp import pcp_codec
from portmapper_pcp.announcements import Listener
from portmapper_pcp.epoch import Epoch, Rule
from portmapper_pcp.exchange import Exchange
from portmapper_pcp.former_address import send_from
from portmapper_pcp.wire import SERVER_PORT, MalformedPacket, Reply

UNCONFIRMED_GAP = 1.5
"""Seconds between two unconfirmed restarts. Within this time a restart is reported at once only if the
gateway's epoch confirms it, and otherwise at the end: gateways repeat announcements and anyone can forge
them, but a gateway may also restart twice."""

MAX_LIFETIME = 604800
"""Seconds requested for a mapping without a lifetime: a week, which is also the maximum of UPnP IGD v2. A
longer lease would remain open for too long if portmapper stops without releasing it."""

WINDOW = 6
"""Concurrent requests. A gateway answers one request after the other, so a few keep it busy (one is as
fast with 4 as with 64). More would only wait in its socket buffer; on small routers, which need 30 ms for
each, they would wait until they are considered lost and retransmitted."""

_log = logging.getLogger(__name__)

R = TypeVar("R", bound=Reply)
G = TypeVar("G", bound="Port5351Gateway[Any]")


class Port5351Gateway(Gateway, WatchesGateway, Generic[R]):
    """A gateway that answers on UDP port 5351.

    Args:
        target: the gateway's location; `target.gateway` must be set.
        read: the protocol's parser for replies.
        rule: the protocol's rule to detect a restart.
        clock: returns monotonic seconds.
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
            raise NetworkFailure("there is no gateway")
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
            on_reply=self._on_reply,
            on_refused=self._on_refused,
        )
        self._listener: Listener | None = None
        self._notify: Callable[[GatewayEvent], None] | None = None
        self._reported = 0
        self._unconfirmed_after = 0.0
        self._delayed: asyncio.TimerHandle | None = None

    async def probe(self) -> None:
        """Check that the gateway speaks this protocol; raise `GatewayTimeout` if it is silent for 3 s."""
        sent = self._clock()
        await self._confirm()
        self.latency = self._clock() - sent

    @property
    def epoch(self) -> tuple[int, float] | None:
        """The last known gateway clock and our own clock at that moment, in seconds; None if unknown."""
        return self._epoch.last

    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Report events to `notify`; if listening fails, detect events from replies only."""
        self._notify = notify
        if self._listener is not None:
            return
        try:
            self._listener = Listener(self.local_address, self.address, self._port, self._on_announcement)
        except NetworkFailure as error:
            _log.info("%s: %s", self.identity, error)

    async def close(self) -> None:
        """Close both sockets; leases stay open."""
        self._notify = None
        if self._delayed is not None:
            self._delayed.cancel()
        self._exchange.close()
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()
        await asyncio.sleep(0)  # asyncio closes a datagram socket in the loop's next iteration

    @abc.abstractmethod
    async def _confirm(self) -> None:
        """Query the gateway's epoch and whatever else it announces; raise a `BackendError` on failure."""

    @abc.abstractmethod
    def _read_announcement(self, packet: bytes) -> GatewayEvent | None:
        """Parse an announcement; return its event, None if nothing changed."""

    def _read_restart(self, reply: pcp_codec.Reply) -> GatewayEvent | None:
        """Return the event of PCP's ANNOUNCE; None for a repetition of what an earlier reply told."""
        if not pcp_codec.is_announcement(reply) or self._epoch.repeats(reply.epoch, self._clock()):
            return None
        return GatewayEvent.RESTARTED

    @abc.abstractmethod
    def _on_reply(self, reply: R, is_timely: bool) -> None:
        """Update the known state from a reply; its epoch counts only if it was read when it arrived."""

    async def _send_from(self, address: IPAddress, packet: bytes) -> NoReturn:
        """Send a packet from an address that this host no longer has; no answer can arrive.

        Raises:
            GatewayTimeout: it was sent; a later request for the port shows whether it had an effect.
            NetworkFailure: the system does not permit it.
        """
        await send_from(packet, address, self.address, self._port)
        raise GatewayTimeout(f"this host no longer has {address}, so no answer can arrive")

    def _learn_epoch(self, epoch: int) -> None:
        now, before = self._clock(), self._epoch.last
        if self._epoch.accept(epoch, now):
            # An epoch that began before the last reply does not count from the restart: some clocks jump.
            is_plausible = before is not None and epoch <= now - before[1] + 1
            self._report(GatewayEvent.RESTARTED, epoch if is_plausible else None)

    def _on_refused(self) -> None:
        self._report(GatewayEvent.GONE)

    def _report(self, event: GatewayEvent, table_age: float | None = None) -> None:
        self._reported += 1
        self.table_age = table_age
        if self._notify is not None:
            self._notify(event)

    async def _on_announcement(self, packet: bytes) -> None:
        """Query the gateway to confirm an announcement: any host on the LAN can forge its address.

        If the reply confirms the event, the reply reports it, and later epochs are compared with that reply.
        An unconfirmed announcement is reported too, as RFC 6887 section 14.1.2 requires, but with a
        minimum interval (`UNCONFIRMED_GAP`).
        """
        try:
            event = self._read_announcement(packet)
        except (MalformedPacket, BackendError) as error:
            _log.debug("%s: ignored an announcement: %s", self.identity, error)
            return
        if event is None:
            return
        reported = self._reported
        try:
            await self._confirm()
        except BackendError as error:
            _log.debug("%s: cannot confirm an announcement: %s", self.identity, error)
            return
        self._report_announced(event, is_confirmed=self._reported != reported)

    def _report_announced(self, event: GatewayEvent, *, is_confirmed: bool) -> None:
        delay = self._unconfirmed_after - self._clock()
        if not is_confirmed and delay > 0:
            if self._delayed is None:
                self._delayed = asyncio.get_running_loop().call_later(delay, self._report_delayed, event)
            return
        if not is_confirmed:
            self._report(event)
        self._unconfirmed_after = self._clock() + UNCONFIRMED_GAP

    def _report_delayed(self, event: GatewayEvent) -> None:
        self._delayed = None
        self._report_announced(event, is_confirmed=False)


async def if_answering(gateway: G) -> G | None:
    """Return the gateway if it answers; close it and return None if it is silent.

    Raises:
        BackendError: the gateway does not speak the protocol.
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
