"""Section D of the conformance list: search, locations, and which device is taken."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import subprocess
import sys
import time
from contextlib import aclosing

import pytest

from portmapper.api.backend import Target
from portmapper.api.errors import NetworkFailure, Unsupported
from portmapper_upnp import discovery, search
from portmapper_upnp.backend import IgdBackend

LOOPBACK = ipaddress.ip_address("127.0.0.1")
IGD = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"


@pytest.fixture(autouse=True)
def short_search(monkeypatch):
    """Search for a fraction of the usual time."""
    monkeypatch.setattr(search, "SEARCH_TIME", 0.3)
    monkeypatch.setattr(search, "SEND_TIMES", (0.0, 0.05, 0.1))
    monkeypatch.setattr(discovery, "GRACE", 0.1)


@pytest.fixture
async def found(responder):
    """Return everything that a search of the given target finds."""
    backend = IgdBackend(ssdp_port=responder.port)

    async def find(**changes):
        target = Target(**{"local_address": LOOPBACK, "gateway": LOOPBACK, **changes})
        return [gateway async for gateway in backend.discover(target)]

    yield find
    await backend.close()


def answering(location, target=IGD):
    """Answer every search with that location."""
    return lambda _target, _count: f"LOCATION: {location}\r\nST: {target}\r\nUSN: uuid:1::{target}"


async def test_d1_a_unicast_search_finds_the_default_gateway(router, responder, found):
    """The gateway is asked by unicast too, and described."""
    responder.answer = answering(router.location)
    [gateway] = await found()
    assert (gateway.identity, gateway.protocol, gateway.model) == ("upnp:127.0.0.1", "IGD 1", "R1")
    assert gateway.location == router.location


async def test_d1_the_first_search_goes_out_by_multicast_and_unicast(monkeypatch):
    """Both destinations get the device searches before anything else."""
    sent = []

    class Transport:
        def sendto(self, packet, address):
            sent.append((address[0], packet))

    requested = search.Search(LOOPBACK, LOOPBACK)
    monkeypatch.setattr(requested, "_transport", Transport())
    requested._send(search.DEVICE_TARGETS)
    assert {address for address, _ in sent} == {"127.0.0.1", "239.255.255.250"}
    assert all(packet.startswith(b"M-SEARCH * HTTP/1.1\r\nHOST: ") for _, packet in sent)
    assert all(b'MAN: "ssdp:discover"\r\nMX: 1\r\n' in packet for _, packet in sent)


async def test_d2_no_search_for_everything(responder, found):
    """Only targets of ours are searched, so that an unrelated device need not answer."""
    assert await found() == []
    assert set(responder.searches) == {*search.DEVICE_TARGETS, *search.OTHER_TARGETS}


async def test_d3_a_reply_from_another_port_is_accepted(router, responder, found):
    """The source port says nothing."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(("127.0.0.1", 0))
    responder.senders.append(sender)
    responder.answer = answering(router.location)
    assert len(await found()) == 1


async def test_d4_odd_headers_are_read(router, responder, found):
    """Any case, no blank after the colon, one before it, a line that is no header, another ST."""
    responder.answer = lambda *_: f"lOcAtIoN :{router.location}\r\nnonsense\r\nX\xe9: y\r\nSt:upnp:rootdevice"
    assert len(await found()) == 1


async def test_d5_a_location_is_fetched_once(router, responder, found):
    """However often it is sent."""
    responder.answer = answering(router.location)
    assert len(await found()) == 1
    assert len([head for head in router.heads if head.startswith("GET")]) == 1


@pytest.mark.parametrize(
    "location",
    [
        "http://0.0.0.0:{port}/desc.xml",
        "http://239.255.255.250:{port}/desc.xml",
        "http://127.0.0.2:{port}/desc.xml",
        "http://127.0.0.1:0/desc.xml",
        "http://localhost:{port}/desc.xml",
        "https://127.0.0.1:{port}/desc.xml",
        "ftp://127.0.0.1:{port}/desc.xml",
        "http://user@127.0.0.1:{port}/desc.xml",
        "http://127.0.0.1:{port}@127.0.0.2/desc.xml",
        "",
    ],
)
async def test_d6_a_location_elsewhere_is_never_connected_to(router, responder, found, location):
    """Only plain HTTP to the address that answered is fetched."""
    responder.answer = answering(location.format(port=router.port))
    assert await found() == []
    assert router.heads == []


async def test_d8_a_device_without_wan_connection_is_unsupported(router, responder, found, build):
    """The search ends with the reason."""
    router.description = build.description(build.service("ContentDirectory:1"))
    responder.answer = answering(router.location)
    with pytest.raises(Unsupported, match="no WAN connection"):
        await found()


@pytest.fixture
async def elsewhere(router, responder):
    """Serve the router on another host too, which answers first; return its location."""
    server = await asyncio.start_server(router.serve, "127.0.0.2", 0)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(("127.0.0.2", 0))
    responder.senders.append(sender)
    yield f"http://127.0.0.2:{server.sockets[0].getsockname()[1]}/desc.xml"
    sender.close()
    server.close()
    await server.wait_closed()


async def test_d9_the_default_gateway_is_preferred(router, elsewhere, responder, found, monkeypatch):
    """A device that answers as well, and sooner, is passed over."""
    monkeypatch.setattr("portmapper_upnp.discovery.GRACE", 10.0)  # a loaded machine takes longer than 0.6 s

    def answer(_target, count):
        if count > 1:
            responder.senders.clear()
        return f"LOCATION: {elsewhere if count == 1 else router.location}"

    responder.answer = answer
    gateways = await found()
    assert [str(gateway.address) for gateway in gateways] == ["127.0.0.1"]


async def test_d9_another_device_is_taken_when_the_default_gateway_is_silent(elsewhere, responder, found):
    """After a short grace the device behind the access point is better than none."""
    responder.answer = lambda *_: f"LOCATION: {elsewhere}"
    [gateway] = await found()
    assert str(gateway.address) == "127.0.0.2"


async def test_d10_a_resend_finds_a_gateway_that_slept(router, responder, found):
    """Silence for the first round is no answer."""
    responder.answer = lambda _target, count: f"LOCATION: {router.location}" if count > 2 else None
    assert len(await found()) == 1


async def test_only_the_chosen_gateway_may_answer(router, responder, found):
    """With a gateway named by the user an answer of another is ignored."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(("127.0.0.2", 0))
    responder.senders.append(sender)
    responder.answer = answering(f"http://127.0.0.2:{router.port}/desc.xml")
    assert await found(chosen=True) == []


async def test_a_url_is_used_as_it_is(router, responder, found):
    """Nothing is searched for a URL that the user typed; its host may be a name and is resolved once."""
    [gateway] = await found(url=f"http://localhost:{router.port}/desc.xml", chosen=True)
    assert gateway.location == router.location
    assert responder.searches == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/desc.xml", "http://[/", "nonsense", "http://"])
async def test_a_url_that_leads_nowhere_is_typed(unused_port, found, url):
    """One clear error, whatever was typed."""
    with pytest.raises(NetworkFailure):
        await found(url=url.format(port=unused_port))


async def test_a_search_from_an_address_that_is_gone_is_typed(found):
    """An address that is not ours cannot be searched from."""
    with pytest.raises(NetworkFailure, match="cannot search from"):
        await found(local_address=ipaddress.ip_address("192.0.2.1"))


async def test_closing_the_iterator_ends_the_search(router, responder):
    """The first gateway is enough: the socket goes with the iterator."""
    responder.answer = answering(router.location)
    backend = IgdBackend(ssdp_port=responder.port)
    async with aclosing(backend.discover(Target(LOOPBACK, gateway=LOOPBACK))) as gateways:
        async for _ in gateways:
            break
    for _ in range(50):
        await asyncio.sleep(0)  # what was sent before lies in the socket, a datagram a turn
    searches = len(responder.searches)
    await asyncio.sleep(0.3)
    assert len(responder.searches) == searches
    await backend.close()


async def test_a_search_ends_at_once_when_cancelled_as_a_datagram_comes():
    """The two in one turn of the event loop must not lose the cancellation."""

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
    """The end comes even when there always is a next datagram."""
    monkeypatch.setattr(search, "SEARCH_TIME", 0.0)
    async with search.Search(LOOPBACK, LOOPBACK, port=9) as requested:
        requested.datagram_received(b"x", ("127.0.0.1", 1900))
        assert [datagram async for datagram in requested.answers()] == []


async def test_a_liar_with_many_locations_costs_a_few_fetches(router, responder, found):
    """Each host has a small number of locations."""
    router.replies["description"] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    responder.answer = lambda _target, count: f"LOCATION: {router.location}?{count}"
    with pytest.raises(NetworkFailure):
        await found()
    assert len(router.heads) <= discovery.MAX_LOCATIONS_OF_HOST


def test_a_flood_is_dropped_beyond_its_budget():
    """A second has room for so many packets, the next has room again."""
    budget = search.Budget(per_second=3)
    assert [budget.allows(10.0) for _ in range(5)] == [True, True, True, False, False]
    assert budget.allows(11.0)


def test_the_plugin_imports_nothing_heavy():
    """Loading the plugin and its backend class leaves aiohttp and async-upnp-client alone."""
    code = (
        "import sys; from portmapper_upnp.plugin import portmapper_register_backends as register;"
        "light = set(sys.modules); register();"
        "print({'asyncio'} & light, {'aiohttp', 'async_upnp_client', 'rich'} & set(sys.modules))"
    )
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=path)
    assert told.stdout.strip() == "set() set()"


async def test_importing_leaves_the_event_loop_free(monkeypatch):
    """A slow import does not hold up anything else, and its failure is raised to who asked."""
    from portmapper_upnp import lazy_import

    def slow(name):
        time.sleep(0.05)
        raise ImportError(name)

    monkeypatch.setattr(lazy_import.importlib, "import_module", slow)
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    with pytest.raises(Unsupported, match="anything"):
        await lazy_import.load("anything")
    ticking.cancel()
    assert ticks > 2
