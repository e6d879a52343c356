"""UDP server for PCP and NAT-PMP, which share a port and differ in the version byte."""

from __future__ import annotations

import asyncio

from portmapper_simulator import natpmp_server, pcp_server, udp_points
from portmapper_simulator.sockets import (
    Address,
    bound_port,
    close_endpoint,
    open_unicast,
    send_from_other_port,
)
from portmapper_simulator.state import State
from portmapper_simulator.udp_points import Replies, Reply, Request

ALL_HOSTS = "224.0.0.1"
MAX_WAITING = 1000
"""Requests in the queue; more are dropped, as on a real gateway."""

ANNOUNCEMENTS = 10
FIRST_GAP = 0.25
"""Seconds between the first two of ten announcements; each gap doubles (RFC 6886, 3.2.1)."""


class UdpServer:
    """Answers requests one by one, in the order of their arrival."""

    port = 0

    def __init__(self, state: State) -> None:
        self._state = state
        self._requests: asyncio.Queue[tuple[Request, Address]] = asyncio.Queue(MAX_WAITING)
        self._count = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._working: asyncio.Task[None] | None = None
        self._announcing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the port is open; the host refuses a closed port with ICMP."""
        return self._transport is not None

    async def open(self) -> None:
        """Bind the port, the same as before after a restart. Raises `OSError`."""
        settings = self._state.settings
        self._transport = await open_unicast(settings.host, self.port or settings.pcp_port, self._received)
        self.port = bound_port(self._transport)
        self._working = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Close the port."""
        running = [task for task in (self._working, self._announcing) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._transport is not None:
            await close_endpoint(self._transport)
        self._transport = self._working = self._announcing = None

    def announce(self, *, repeat: bool = True) -> None:
        """Announce a restart or a new external address to all hosts."""
        if self._announcing is not None:
            self._announcing.cancel()
        self._send_announcement()
        self._announcing = asyncio.create_task(self._announce_again()) if repeat else None

    def _send_announcement(self) -> None:
        group = (ALL_HOSTS, self._state.settings.announce_port)
        if self._transport is None:
            return
        if self._state.is_answering("pcp"):
            self._transport.sendto(pcp_server.announcement(self._state), group)
        if self._state.is_answering("natpmp"):
            self._transport.sendto(natpmp_server.external_address_reply(self._state), group)

    async def _announce_again(self) -> None:
        for number in range(ANNOUNCEMENTS - 1):
            await asyncio.sleep(FIRST_GAP * 2**number)
            self._send_announcement()

    def _received(self, data: bytes, sender: Address) -> None:
        if not data or self._requests.full():
            return
        self._count += 1
        mechanism = "natpmp" if data[0] == natpmp_server.VERSION else "pcp"
        request = udp_points.REQUEST.apply(self._state.quirks, Request(mechanism, self._count, data))
        if not request.ignored and mechanism not in self._state.muted:
            self._requests.put_nowait((request, sender))

    async def _work(self) -> None:
        while True:
            request, sender = await self._requests.get()
            data = await self._answer(request, sender[0])
            if data is not None:
                replies = udp_points.REPLIES.apply(self._state.quirks, Replies(request, (Reply(data),)))
                self._send(replies.replies, sender)

    async def _answer(self, request: Request, sender: str) -> bytes | None:
        """Return the protocol's answer; if it is disabled, refuse in the other protocol (RFC 6887, 9)."""
        if request.mechanism == "pcp":
            if "pcp" in self._state.enabled_protocols:
                return await pcp_server.answer_pcp(self._state, request.data, sender)
            return natpmp_server.unsupported_version(self._state)
        if "natpmp" in self._state.enabled_protocols:
            return await natpmp_server.answer_natpmp(self._state, request.data, sender)
        if len(request.data) < 2:
            return None
        return pcp_server.unsupported_version(self._state, request.data)

    def _send(self, replies: tuple[Reply, ...], receiver: Address) -> None:
        loop = asyncio.get_running_loop()
        for reply in replies:
            if reply.delay:
                loop.call_later(reply.delay, self._send_now, reply, receiver)
            else:
                self._send_now(reply, receiver)

    def _send_now(self, reply: Reply, receiver: Address) -> None:
        if reply.other_port:
            send_from_other_port(self._state.settings.host, reply.data, receiver)
        elif self._transport is not None:
            self._transport.sendto(reply.data, receiver)
