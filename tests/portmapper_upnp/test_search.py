"""The search: M-SEARCH packets, the limit on a flood, and its end."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from portmapper_upnp import search, search_targets

HOSTS = ("127.0.0.9", "127.0.0.1")
LOOPBACK = ipaddress.ip_address("127.0.0.1")


async def test_d1_the_first_search_goes_out_by_multicast_and_unicast(monkeypatch):
    """Both destinations get the device searches before anything else."""
    sent = []

    class Transport:
        def sendto(self, packet, address):
            sent.append((address[0], packet))

    requested = search.Search(LOOPBACK, LOOPBACK)
    monkeypatch.setattr(requested, "_transport", Transport())
    requested._send(search_targets.DEVICE_TARGETS)
    assert {address for address, _ in sent} == {"127.0.0.1", "239.255.255.250"}
    assert all(packet.startswith(b"M-SEARCH * HTTP/1.1\r\nHOST: ") for _, packet in sent)
    assert all(b'MAN: "ssdp:discover"\r\nMX: 1\r\n' in packet for _, packet in sent)


async def test_a_search_ends_at_once_when_cancelled_as_a_datagram_comes():
    """A datagram and a cancellation in one iteration of the event loop must not lose the cancellation."""

    async def listen(requested):
        async for _ in requested.answers():
            pass

    async with search.Search(LOOPBACK, LOOPBACK, port=9) as requested:
        listening = asyncio.create_task(listen(requested))
        await asyncio.sleep(0)
        requested.datagram_received(b"x", ("127.0.0.1", 1900))
        await asyncio.sleep(0)
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening


async def test_a_flood_does_not_prolong_the_search(monkeypatch):
    """The search ends even if there is always another datagram."""
    monkeypatch.setattr(search, "SEARCH_TIME", 0.0)
    async with search.Search(LOOPBACK, LOOPBACK, port=9) as requested:
        requested.datagram_received(b"x", ("127.0.0.1", 1900))
        assert [datagram async for datagram in requested.answers()] == []


async def test_a_search_can_be_ended_early(clock):
    """It listens a little, even if it is ended before it starts to listen."""

    async def listen(requested):
        return [datagram async for datagram in requested.answers()]

    async with search.Search(LOOPBACK, LOOPBACK, port=9) as requested:
        listening = asyncio.create_task(listen(requested))
        await clock.advance(0.5)
        requested.end_after(0.4)
        await clock.advance(0.3)
        assert not listening.done()
        await clock.advance(0.2)
        assert listening.done()
    async with search.Search(LOOPBACK, LOOPBACK, port=9) as requested:
        requested.end_after(0.0)
        await clock.advance(5)
        listening = asyncio.create_task(listen(requested))
        await clock.advance(search.LISTEN_TIME / 2)
        assert not listening.done()
        await clock.advance(search.LISTEN_TIME)
        assert listening.done()


async def test_a_search_ends_soon_if_the_gateway_refuses_its_port(free_port):
    """Another protocol of the gateway has answered; without the refusal, the search would last a minute."""
    async with search.Search(LOOPBACK, LOOPBACK, free_port(), patience=60) as requested:
        requested.end_after(60)
        requested.end_if_refused()
        async with asyncio.timeout(60):
            assert [datagram async for datagram in requested.answers()] == []


async def test_a_search_may_be_told_of_refusals_before_it_starts(free_port):
    """The searches of doctor start after another protocol has answered."""
    requested = search.Search(LOOPBACK, LOOPBACK, free_port(), patience=60)
    requested.end_if_refused()
    async with asyncio.timeout(60), requested:
        assert [datagram async for datagram in requested.answers()] == []


async def test_a_search_is_repeated_once_when_the_gateway_announces_itself(clock, monkeypatch):
    """It may have started after the last packet; from then on, the search has its whole time again."""
    async with search.Search(LOOPBACK, LOOPBACK, port=9) as requested:
        answers = requested.answers()
        waiting = asyncio.create_task(anext(answers))
        await clock.advance(search.SEARCH_TIME - 0.1)
        sent = []
        monkeypatch.setattr(requested, "_send", sent.append)
        requested.ask_again()
        requested.ask_again()
        assert sent == [search_targets.DEVICE_TARGETS]
        await clock.advance(search.SEARCH_TIME - 0.1)
        requested.datagram_received(b"x", ("127.0.0.1", 1900))
        assert (await waiting).data == b"x"
        await answers.aclose()


async def test_a_search_that_ends_early_needs_no_libraries(clock):
    """Another protocol answers at once, and this one does not."""
    async with search.Search(LOOPBACK, LOOPBACK, port=9) as requested:
        deciding = asyncio.create_task(requested.expects_answers())
        await clock.advance(0.05)
        requested.end_after(0.3)
        await clock.advance(0.25)
        assert not deciding.done()
        await clock.advance(0.1)
        assert await deciding is False


@pytest.mark.parametrize("ended", [False, True])
async def test_a_search_needs_libraries_at_its_first_answer(clock, ended):
    """Also if it is to end early."""
    async with search.Search(LOOPBACK, LOOPBACK, port=9) as requested:
        deciding = asyncio.create_task(requested.expects_answers())
        await clock.advance(0.02)
        if ended:
            requested.end_after(1.2)
            await clock.advance(1.0)
        requested.datagram_received(b"x", ("127.0.0.1", 1900))
        assert await deciding is True


async def test_a_search_loads_its_libraries_while_it_waits(clock):
    """Nothing else has answered, so an answer is expected."""
    async with search.Search(LOOPBACK, LOOPBACK, port=9) as requested:
        deciding = asyncio.create_task(requested.expects_answers())
        await clock.advance(search.DECISION_TIME)
        assert await deciding is True


async def test_a_quiet_search_sends_a_quarter_of_the_packets(clock, monkeypatch):
    """Nothing answered the search before it."""
    sent = dict.fromkeys([False, True], 0)
    for quiet in sent:
        async with search.Search(LOOPBACK, LOOPBACK, port=9, quiet=quiet) as requested:

            def count(_data, _to, quiet=quiet):
                sent[quiet] += 1

            monkeypatch.setattr(requested._transport, "sendto", count)
            await clock.advance(search.LATE_ANSWER_TIME)
    assert sent[True] * 4 <= sent[False]


@pytest.mark.parametrize(
    "other", [None, *((b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\n\r\n", (host, 1900)) for host in HOSTS)]
)
async def test_d13_a_gateway_may_answer_after_five_seconds(clock, other):
    """Also if a television has answered at once, or the media server of the gateway."""
    async with search.Search(LOOPBACK, LOOPBACK, port=9, patience=search.LATE_ANSWER_TIME) as requested:
        answers = requested.answers()
        waiting = asyncio.create_task(anext(answers))
        await clock.advance(0.1)
        if other is not None:
            requested.datagram_received(*other)
            await waiting
            waiting = asyncio.create_task(anext(answers))
        await clock.advance(5.5)
        requested.datagram_received(b"x", ("127.0.0.1", 1900))
        assert (await waiting).data == b"x"
        await answers.aclose()


async def test_a_search_ends_soon_after_the_answer_of_a_gateway(clock):
    """Another gateway on the network may answer as late as MX allows."""
    answer = b"HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"

    async def listen(requested):
        return [datagram async for datagram in requested.answers()]

    async with search.Search(LOOPBACK, LOOPBACK, port=9, patience=search.LATE_ANSWER_TIME) as requested:
        listening = asyncio.create_task(listen(requested))
        await clock.advance(0.1)
        requested.datagram_received(answer, ("127.0.0.9", 1900))
        await clock.advance(search.SEARCH_TIME)
        assert len(await listening) == 1


async def test_the_search_time_starts_when_answers_can_be_used(clock):
    """On a slow machine, the libraries are loaded only after the search time of a fast one."""
    async with search.Search(LOOPBACK, LOOPBACK, port=9) as requested:
        await clock.advance(3 * search.SEARCH_TIME)
        answers = requested.answers()
        waiting = asyncio.create_task(anext(answers))
        await clock.advance(search.SEARCH_TIME / 2)
        requested.datagram_received(b"x", ("127.0.0.1", 1900))
        assert (await waiting).data == b"x"
        await answers.aclose()


async def test_d17_only_the_last_announcement_is_used(clock):
    """A flood of them costs one timer, and none is used if the search has ended."""
    async with search.Search(LOOPBACK, LOOPBACK, port=9) as requested:
        for number in range(1000):
            requested.hear(b"%d" % number, ("127.0.0.1", 1900))
        await clock.advance(search.ANNOUNCED_TIME + 0.1)
        assert requested._received.qsize() == 1
        assert requested._received.get_nowait().data == b"999"
        requested.hear(b"late", ("127.0.0.1", 1900))
    await clock.advance(search.ANNOUNCED_TIME + 0.1)
    assert requested._received.empty()


async def test_an_announcement_is_not_used_if_the_search_is_diagnosed(clock):
    """`doctor` tells whether searches are answered; an announcement would hide a firewall."""
    async with search.Search(LOOPBACK, LOOPBACK, port=9) as requested:
        requested.hear(b"alive", ("127.0.0.1", 1900))
        requested.forget_announcement()
        await clock.advance(search.ANNOUNCED_TIME + 0.1)
        assert requested._received.empty()
