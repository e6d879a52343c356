"""The search for gateways: send M-SEARCH and collect the answers. Standard library only.

The first M-SEARCH is sent before async-upnp-client is imported. Routers may take up to MX seconds to answer,
and the import fits into that wait.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from portmapper.api import IPAddress, NetworkFailure
from portmapper.support.values import frozen
from portmapper_upnp.budget import PER_SECOND, Budget
from portmapper_upnp.multicast import (
    SSDP_GROUPS,
    SSDP_PORT,
    destination,
    interface_index,
    searching_socket,
)
from portmapper_upnp.refusal import until_refused
from portmapper_upnp.search_targets import (
    DEVICE_TARGETS,
    FIREWALL_TARGET,
    LAST_TARGETS,
    OTHER_TARGETS,
    search_packet,
)

_GATEWAY = re.compile(rb":(?:InternetGatewayDevice|WAN(?:IP|PPP)Connection):", re.IGNORECASE)

SEND_TIMES = (0.0, 0.25, 0.75, 1.5, 2.7)
"""Seconds from the start. Datagrams get lost, and some routers miss the first one (D10). The last one finds a
gateway that starts during the search; it is sent only if nothing has answered."""

QUIET_SEND_TIMES = (1.5, 4.5)
"""The same for a search where the ones before found nothing. Few packets reach every kind of device there:
the default gateway answers `ssdp:all` whatever it is, and others answer as gateways or root devices."""

LAST_TARGETS_AFTER = 1.5
"""Seconds until `LAST_TARGETS` are searched for."""

SEARCH_TIME = 2.6
"""Seconds until no further answer is expected: the last send, MX, and a margin."""

LATE_ANSWER_TIME = 7.0
"""Seconds to wait for a gateway that has not answered: a ZyXEL VMG8825 takes more than MX seconds, and some
take more than five (D13)."""

ANNOUNCED_TIME = 1.0
"""Seconds after which an announcement counts as an answer: a few gateways answer no search (D17). Most do,
and their answer tells more."""

LISTEN_TIME = 0.15
"""Seconds that a search listens at least, however early it is to end. Most gateways answer in a few ms."""

DECISION_TIME = 0.1
"""Seconds in which another protocol may answer, before the libraries for this one are loaded."""

MAX_DATAGRAM = 4096


@frozen
class Datagram:
    """One received packet.

    Attributes:
        data: its bytes.
        sender: address tuple from the socket.
        at: seconds since the first M-SEARCH.
    """

    data: bytes
    sender: tuple[Any, ...]
    at: float


def _destinations(
    gateway: IPAddress | None, groups: Sequence[str], port: int, interface: str
) -> list[tuple[Any, ...]]:
    addresses = [*([_without_zone(gateway)] if gateway else []), *groups]
    index = interface_index(interface, gateway) if any(":" in address for address in addresses) else 0
    return [destination(address, port, index) for address in addresses]


def _without_zone(address: IPAddress) -> str:
    return str(address).partition("%")[0]


class Search(asyncio.DatagramProtocol):
    """One search on one interface, multicast and unicast to the default gateway (D1)."""

    def __init__(
        self,
        local_address: IPAddress,
        gateway: IPAddress | None,
        port: int = SSDP_PORT,
        *,
        interface: str = "",
        multicast: bool = True,
        only_gateway: bool = False,
        patience: float = 0.0,
        quiet: bool = False,
    ) -> None:
        self._patience = patience
        self._quiet = quiet
        self._only_gateway = only_gateway
        self._local_address = local_address
        self._gateway = _without_zone(gateway) if gateway else None
        groups = SSDP_GROUPS[local_address.version] if multicast else ()
        self._destinations = _destinations(gateway, groups, port, interface)
        self._others = (FIREWALL_TARGET, "upnp:rootdevice") if local_address.version == 6 else OTHER_TARGETS
        self._port = port
        self._received: asyncio.Queue[Datagram | None] = asyncio.Queue(2 * PER_SECOND)
        self._budgets = {True: Budget(), False: Budget()}
        self._transport: asyncio.DatagramTransport | None = None
        self._resending: asyncio.Task[None] | None = None
        self._refusal: asyncio.Task[None] | None = None
        self._announced: asyncio.TimerHandle | None = None
        self._listening = 0.0
        self._stirred = asyncio.Event()
        self._asked_again = self._heard = self._may_be_refused = False
        self._ends: float | None = None
        self._waiting: asyncio.Timeout | None = None

    async def __aenter__(self) -> Search:
        """Open the socket and send the first M-SEARCH.

        Raises:
            NetworkFailure: our address is gone, or nothing can be sent from it.
        """
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        try:
            self._transport, _ = await self._loop.create_datagram_endpoint(
                lambda: self, sock=searching_socket(self._local_address, self._destinations[0])
            )
        except OSError as error:
            raise NetworkFailure(f"cannot search from {self._local_address}: {error.strerror}") from error
        self._send(DEVICE_TARGETS)
        self._resending = self._loop.create_task(self._send_again())
        self._check_refusal()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the search and close the socket."""
        for task in (self._resending, self._refusal):
            if task is not None:
                task.cancel()
        self.forget_announcement()
        if self._transport is not None:
            self._transport.close()

    async def expects_answers(self) -> bool:
        """Wait until it is worth loading what reads the answers; return False if the search is over by then.

        A command that needs no answer over UPnP, because another protocol answers, loads no libraries.
        """
        until = self._started + DECISION_TIME
        while not self._heard:
            self._stirred.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._stirred.wait()
            except TimeoutError:
                return self._heard or self._ends is None
            until = max(self._ends or 0.0, self._started + LISTEN_TIME)
        return True

    async def answers(self) -> AsyncGenerator[Datagram, None]:
        """Yield each received datagram until the search time is over; wait longer for the first one."""
        answered = False
        # Loading the libraries takes seconds on a slow machine; until then no answer could be used.
        self._listening = self._loop.time()
        while self._loop.time() < (end := self._end(answered)):
            try:
                # Not wait_for: before Python 3.12 it loses a cancellation that coincides with a datagram.
                async with asyncio.timeout_at(end) as self._waiting:
                    datagram = await self._received.get()
            except TimeoutError:
                return
            finally:
                self._waiting = None
            if datagram is None:
                return
            answered = answered or self._is_answer(datagram)
            yield datagram

    def _is_answer(self, datagram: Datagram) -> bool:
        """Tell whether a gateway has answered that may be used."""
        others = not self._only_gateway or datagram.sender[0] == self._gateway
        return others and _GATEWAY.search(datagram.data) is not None

    def hear(self, announcement: bytes, sender: tuple[Any, ...]) -> None:
        """Use the last announcement of the gateway as its answer, unless it answers soon (D17)."""
        self._announcement = announcement, sender
        if self._announced is None:  # a flood of forged ones costs one timer
            self._announced = self._loop.call_later(ANNOUNCED_TIME, self._use_announcement)

    def forget_announcement(self) -> None:
        """Do not use what was heard."""
        if self._announced is not None:
            self._announced.cancel()
            self._announced = None

    def _use_announcement(self) -> None:
        self._announced = None
        self.datagram_received(*self._announcement)

    def stop(self) -> None:
        """End the search before its time: no further answer matters."""
        if not self._received.full():
            self._received.put_nowait(None)

    def end_after(self, patience: float) -> None:
        """End the search once it has listened for `patience` seconds from now."""
        self._ends = asyncio.get_running_loop().time() + patience
        self._stirred.set()
        waiting = self._waiting
        if waiting is not None and not waiting.expired():
            waiting.reschedule(min(max(self._ends, self._earliest_end()), waiting.when() or self._ends))

    def end_if_refused(self) -> None:
        """Ask the gateway whether it listens for searches at all, and end the search soon if it refuses.

        Only for a gateway that answers over another protocol: this one might still be starting.
        """
        self._may_be_refused = self._gateway is not None
        if self._transport is not None:
            self._check_refusal()

    def _check_refusal(self) -> None:
        if self._may_be_refused and self._refusal is None:
            self._refusal = self._loop.create_task(self._end_if_refused())

    async def _end_if_refused(self) -> None:
        there = self._destinations[0]
        packet = self._packet(DEVICE_TARGETS[0], there)
        await until_refused(self._local_address, there, packet, self.datagram_received)
        self.end_after(LISTEN_TIME)  # it may still answer a search by multicast (D1)

    def ask_again(self) -> None:
        """Search again, because the gateway has announced itself: it may have started after the last packet.

        Once for each search, because the announcement may be forged.
        """
        if self._asked_again or self._transport is None or self._transport.is_closing():
            return
        self._asked_again = True
        self._send(DEVICE_TARGETS)
        if self._listening:
            self._listening = self._loop.time()
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(self._end(answered=False))

    def _end(self, answered: bool) -> float:
        end = self._listening + (SEARCH_TIME if answered else max(SEARCH_TIME, self._patience))
        return end if self._ends is None else min(end, max(self._ends, self._earliest_end()))

    def _earliest_end(self) -> float:
        return self._listening + LISTEN_TIME

    def datagram_received(self, data: bytes, sender: tuple[Any, ...]) -> None:
        """Queue a datagram from any source port (D3), unless the queue is full or it is part of a flood."""
        at = self._loop.time() - self._started
        from_gateway = sender[0] == self._gateway
        self._heard = True
        self._stirred.set()
        if len(data) <= MAX_DATAGRAM and self._budgets[from_gateway].allows(at) and not self._received.full():
            self._received.put_nowait(Datagram(data, sender, at))

    def error_received(self, error: Exception) -> None:
        """Ignore an unreachable destination: another one may answer."""

    async def _send_again(self) -> None:
        for at in QUIET_SEND_TIMES if self._quiet else SEND_TIMES[1:]:
            await asyncio.sleep(self._started + at - self._loop.time())
            if self._quiet:
                self._send_a_few()
            else:
                self._send_all(at)

    def _send_a_few(self) -> None:
        unicast = 1 if self._gateway else 0
        self._send(DEVICE_TARGETS)
        self._send(("upnp:rootdevice",), self._destinations[unicast:])
        self._send(("ssdp:all",), self._destinations[:unicast])

    def _send_all(self, at: float) -> None:
        self._send(DEVICE_TARGETS + self._others)
        if at >= LAST_TARGETS_AFTER:
            self._send(LAST_TARGETS, self._destinations[: 1 if self._heard and self._gateway else None])

    def _send(self, targets: Sequence[str], destinations: Sequence[tuple[Any, ...]] | None = None) -> None:
        assert self._transport is not None
        for target in targets:
            for there in self._destinations if destinations is None else destinations:
                # asyncio passes a failure, such as a missing multicast route, to error_received.
                self._transport.sendto(self._packet(target, there), there)

    def _packet(self, target: str, there: tuple[Any, ...]) -> bytes:
        host = f"[{there[0]}]" if ":" in there[0] else there[0]
        return search_packet(target, f"{host}:{self._port}")
