"""Requests over UDP: retransmission, matching, refusal, close."""

from __future__ import annotations

import asyncio
import errno
import gc
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest
from closing_gate import closing_after
from platforms import not_on_wine, posix_only

from portmapper.api.errors import GatewayTimeout, NetworkFailure, NotLeading, Unsupported
from portmapper_pcp.exchange import Exchange
from portmapper_pcp.wire import Key, MalformedPacket

LOCAL = ipaddress.ip_address("127.0.0.1")


@attrs.frozen
class Echo:
    """A reply of a test protocol whose key is its first byte."""

    packet: bytes

    @property
    def key(self) -> Key:
        """The fields that it shares with its request."""
        return (self.packet[:1],)


def read(packet: bytes) -> Echo:
    """Parse a packet of the test protocol."""
    if packet == b"":
        raise MalformedPacket("empty")
    if packet == b"!":
        raise Unsupported("another protocol")
    return Echo(packet)


class RecordingExchange:
    """An exchange that records its callbacks."""

    def __init__(self, port: int) -> None:
        self.answered: list[bytes] = []
        self.timely: list[bool] = []
        self.refused = 0
        self.exchange: Exchange[Echo] = Exchange(
            LOCAL, LOCAL, port, read=read, on_reply=self._note, on_refused=self._count
        )

    async def request(self, packet: bytes, delays: tuple[float, ...] = (5.0,), **finer: Any) -> bytes:
        """Send a request and return the bytes of the answer."""
        return (await self.exchange.request(packet, (packet[:1],), iter(delays), **finer)).packet

    def _note(self, reply: Echo, is_timely: bool) -> None:
        self.answered.append(reply.packet)
        self.timely.append(is_timely)

    def _count(self) -> None:
        self.refused += 1


@pytest.fixture
async def recorder(peer: Any) -> AsyncIterator[RecordingExchange]:
    """Return an exchange with the scripted gateway."""
    pending = RecordingExchange(peer.port)
    yield pending
    pending.exchange.close()
    await asyncio.sleep(0)


async def test_an_answer_comes_back(peer: Any, recorder: RecordingExchange) -> None:
    """One request, one packet, one answer."""
    peer.answer = lambda request: [request + b"answer"]
    assert await recorder.request(b"a") == b"aanswer"
    assert peer.requests == [b"a"]
    assert recorder.answered == [b"aanswer"]


async def test_concurrent_requests_get_their_own_answers(peer: Any, recorder: RecordingExchange) -> None:
    """Answers arrive in reverse order."""

    def answer(_: bytes) -> list[bytes]:
        return [r * 2 for r in reversed(peer.requests)] if len(peer.requests) == 20 else []

    peer.answer = answer
    packets = [bytes([65 + n]) for n in range(20)]
    assert await asyncio.gather(*map(recorder.request, packets)) == [packet * 2 for packet in packets]


async def test_p7_lost_packets_are_retransmitted_unchanged(peer: Any, recorder: RecordingExchange) -> None:
    """The third copy is answered; all three are the same."""
    peer.answer = lambda _: [b"done"[:0] or b"dd"] if len(peer.requests) == 3 else []
    assert await recorder.request(b"d", (0.01, 0.01, 5.0)) == b"dd"
    assert peer.requests == [b"d"] * 3


@posix_only("sends and reads as a loop of Unix does")
async def test_after_a_standstill_waiting_answers_are_read_before_anything_is_sent_again(
    stand_still: Callable[[float], None],
) -> None:
    """The loop reads one packet in each turn, and all timers are due at once."""
    packets = [bytes([65 + n]) for n in range(5)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        gateway.bind(("127.0.0.1", 0))
        gateway.settimeout(60)
        recorder = RecordingExchange(gateway.getsockname()[1])
        requests = [asyncio.create_task(recorder.request(packet, (0.05, 5.0))) for packet in packets]
        await asyncio.sleep(0.01)
        for _ in packets:
            gateway.sendto(*gateway.recvfrom(1))
        stand_still(0.3)
        assert await asyncio.gather(*requests) == packets
        gateway.setblocking(False)
        with pytest.raises(BlockingIOError):
            gateway.recvfrom(1)
    assert recorder.timely == [False] * 5
    recorder.exchange.close()


async def test_a_lost_packet_is_sent_again_after_a_standstill(
    peer: Any, recorder: RecordingExchange, stand_still: Callable[[float], None]
) -> None:
    """The answer to it came when it was read."""
    peer.answer = lambda request: [request] if len(peer.requests) == 2 else []
    request = asyncio.create_task(recorder.request(b"a", (0.05, 5.0)))
    await asyncio.sleep(0.01)
    stand_still(0.3)
    assert await request == b"a"
    assert recorder.timely == [True]


async def test_p7_duplicate_answers_are_dropped(peer: Any, recorder: RecordingExchange) -> None:
    """The second copy of an answer matches no request."""
    peer.answer = lambda request: [request, request, request]
    assert await recorder.request(b"a") == b"a"
    assert await recorder.request(b"b") == b"b"
    assert recorder.answered == [b"a", b"b"]


async def test_silence_ends_in_a_timeout(peer: Any, recorder: RecordingExchange) -> None:
    """The request ends with its delays."""
    with pytest.raises(GatewayTimeout, match="does not answer"):
        await recorder.request(b"a", (0.01, 0.01))
    assert len(peer.requests) == 2


async def test_p1_replies_that_do_not_match_are_ignored(peer: Any, recorder: RecordingExchange) -> None:
    """Malformed packets, another key and unacceptable replies come before the right one."""
    peer.answer = lambda _: [b"", b"x", b"a wrong", bytes(1200), b"a right"]
    assert await recorder.request(b"a", accepts=lambda reply: reply.packet != b"a wrong") == b"a right"


async def test_p1_a_third_party_is_ignored(peer: Any, recorder: RecordingExchange, third_party: Any) -> None:
    """The socket is connected, so packets from another port of the same address are dropped."""

    def answer(request: bytes) -> list[bytes]:
        client = peer.last_client
        third_party.sendto(b"a forged", client)
        return [b"a true"]

    original = peer.datagram_received

    def receive(data: bytes, addr: Any) -> None:
        peer.last_client = addr
        original(data, addr)

    peer.datagram_received = receive
    peer.answer = answer
    assert await recorder.request(b"a") == b"a true"


async def test_an_error_about_the_gateway_fails_every_request(peer: Any, recorder: RecordingExchange) -> None:
    """A gateway that speaks another protocol says so only once."""
    peer.answer = lambda _: [b"!"] if len(peer.requests) == 2 else []
    results = await asyncio.gather(recorder.request(b"a"), recorder.request(b"b"), return_exceptions=True)
    assert [type(result) for result in results] == [Unsupported, Unsupported]


async def test_requests_with_the_same_key_run_one_after_the_other(
    peer: Any, recorder: RecordingExchange
) -> None:
    """Their answers could not be told apart."""
    peer.answer = lambda request: [request]
    assert await asyncio.gather(
        recorder.request(b"a1"), recorder.request(b"a2"), recorder.request(b"a3")
    ) == [b"a1", b"a2", b"a3"]


async def test_p5_a_refused_port_fails_at_once(closed_port: int) -> None:
    """ICMP reports a closed port; the request fails without waiting, and the callback runs."""
    recorder = RecordingExchange(closed_port)
    with pytest.raises(NetworkFailure, match="nothing listens"):
        await recorder.request(b"a", (60.0,))
    assert recorder.refused == 1


async def test_after_a_refusal_a_new_socket_is_opened(peer: Any, recorder: RecordingExchange) -> None:
    """The daemon on the gateway may have been restarting."""
    recorder.exchange.error_received(ConnectionRefusedError(errno.ECONNREFUSED, "refused"))
    peer.answer = lambda request: [request]
    assert await recorder.request(b"a") == b"a"


async def test_a_packet_that_our_own_firewall_drops_is_retransmitted(
    peer: Any, recorder: RecordingExchange
) -> None:
    """EPERM from the send counts as a lost packet."""
    peer.answer = lambda request: [request] if len(peer.requests) == 2 else []
    pending = asyncio.create_task(recorder.request(b"a", (0.02, 5.0)))
    await asyncio.sleep(0)
    recorder.exchange.error_received(PermissionError(errno.EPERM, "not permitted"))
    assert await pending == b"a"


@not_on_wine("binds addresses that the host does not have")
async def test_an_unreachable_network_is_a_network_failure() -> None:
    """The socket cannot be bound to an address that is not ours."""
    exchange: Exchange[Echo] = Exchange(
        ipaddress.ip_address("192.0.2.1"), LOCAL, 5351, read=read, on_reply=print, on_refused=print
    )
    with pytest.raises(NetworkFailure, match="cannot reach"):
        await exchange.request(b"a", (b"a",), iter((5.0,)))


async def test_closing_fails_pending_requests(peer: Any, recorder: RecordingExchange) -> None:
    """A closed exchange also rejects new requests."""
    pending = [asyncio.create_task(recorder.request(q)) for q in (b"a", b"b")]
    while not peer.requests:
        await asyncio.sleep(0)
    recorder.exchange.close()
    for task in pending:
        with pytest.raises(NetworkFailure, match="closed"):
            await task
    with pytest.raises(NetworkFailure, match="closed"):
        await recorder.request(b"c")


@pytest.mark.parametrize("rounds", range(4))
async def test_cancellation_at_any_point_leaks_nothing(peer: Any, rounds: int) -> None:
    """`close` frees the socket, whenever the caller was canceled."""
    recorder = RecordingExchange(peer.port)
    pending = asyncio.create_task(recorder.request(b"a"))
    for _ in range(rounds):
        await asyncio.sleep(0)
    pending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pending
    recorder.exchange.close()
    await asyncio.sleep(0)
    del recorder, pending
    gc.collect()  # an open socket would emit a warning, which fails the test


async def test_nothing_is_retransmitted_once_another_daemon_leads(
    peer: Any, recorder: RecordingExchange
) -> None:
    """The timer of a retransmission may fire first when a suspended process continues."""
    with closing_after(2), pytest.raises(NotLeading):
        await recorder.request(b"a", (0.01, 0.01, 0.01, 5.0))
    await asyncio.sleep(0.05)
    assert peer.requests == [b"a"] * 2
