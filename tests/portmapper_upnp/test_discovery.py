"""Section D of the conformance list: search, locations, and the selection of a device."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest

from portmapper.api.errors import NetworkFailure, Unsupported
from portmapper_upnp import discovery, search_targets


async def test_d1_a_unicast_search_finds_the_default_gateway(build, router, responder, found):
    """The search is sent by unicast too, and the description read."""
    responder.answer = build.search_answer(router.location)
    [gateway] = await found()
    assert (gateway.identity, gateway.protocol, gateway.model) == ("upnp:127.0.0.1", "IGD 1", "R1")
    assert gateway.location == router.location


async def test_d2_no_search_for_everything(responder, found):
    """Only specific targets are searched, so that unrelated devices need not answer."""
    assert await found() == []
    assert set(responder.searches) == {*search_targets.DEVICE_TARGETS, *search_targets.OTHER_TARGETS}


async def test_d3_a_reply_from_another_port_is_accepted(build, router, responder, found):
    """The source port is irrelevant."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(("127.0.0.1", 0))
    responder.senders.append(sender)
    responder.answer = build.search_answer(router.location)
    assert len(await found()) == 1


async def test_d4_odd_headers_are_read(router, responder, found):
    """Any case, no blank after the colon, one before it, an invalid header line, another ST."""
    responder.answer = lambda *_: f"lOcAtIoN :{router.location}\r\nnonsense\r\nX\xe9: y\r\nSt:upnp:rootdevice"
    assert len(await found()) == 1


async def test_d5_a_location_is_fetched_once(build, router, responder, found):
    """However often it is sent."""
    responder.answer = build.search_answer(router.location)
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
        "http://127.0.0.1:{port}@127.0.0.2/desc.xml",
        "",
    ],
)
async def test_d6_a_location_elsewhere_is_never_connected_to(build, router, responder, found, location):
    """Only plain HTTP on the address that answered is fetched."""
    responder.answer = build.search_answer(location.format(port=router.port))
    assert await found() == []
    assert router.heads == []


async def test_d8_a_device_without_wan_connection_is_unsupported(router, responder, found, build):
    """The search ends with the reason."""
    router.description = build.description(build.service("ContentDirectory:1"))
    responder.answer = build.search_answer(router.location)
    with pytest.raises(Unsupported, match="no WAN connection"):
        await found()


@pytest.fixture
async def other_router(router, responder):
    """Serve the router on another host too, which answers first; return its location."""
    server = await asyncio.start_server(router.serve, "127.0.0.2", 0)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(("127.0.0.2", 0))
    responder.senders.append(sender)
    yield f"http://127.0.0.2:{server.sockets[0].getsockname()[1]}/desc.xml"
    sender.close()
    server.close()
    await server.wait_closed()


async def test_d9_the_default_gateway_is_preferred(router, other_router, responder, found, monkeypatch):
    """Another device that answers sooner is skipped."""
    monkeypatch.setattr("portmapper_upnp.discovery.GRACE", 10.0)  # a loaded machine takes longer than 0.6 s

    def answer(_target, count):
        if count > 1:
            responder.senders.clear()
        return f"LOCATION: {other_router if count == 1 else router.location}"

    responder.answer = answer
    gateways = await found()
    assert [str(gateway.address) for gateway in gateways] == ["127.0.0.1"]


async def test_d9_another_device_is_taken_when_the_default_gateway_is_silent(other_router, responder, found):
    """After a short grace time, the device behind the access point is used."""
    responder.answer = lambda *_: f"LOCATION: {other_router}"
    [gateway] = await found()
    assert str(gateway.address) == "127.0.0.2"


async def test_d10_a_resend_finds_a_gateway_that_missed_the_first_search(router, responder, found):
    """The first search gets no answer."""
    responder.answer = lambda _target, count: f"LOCATION: {router.location}" if count > 2 else None
    assert len(await found()) == 1


async def test_only_the_chosen_gateway_may_answer(build, router, responder, found):
    """If the user named a gateway, answers of others are ignored."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(("127.0.0.2", 0))
    responder.senders.append(sender)
    responder.answer = build.search_answer(f"http://127.0.0.2:{router.port}/desc.xml")
    assert await found(chosen=True) == []


async def test_a_search_from_an_address_that_is_gone_is_typed(found):
    """The socket cannot be bound to an address that is not ours."""
    with pytest.raises(NetworkFailure, match="cannot search from"):
        await found(local_address=ipaddress.ip_address("192.0.2.1"))


async def test_a_host_with_many_locations_costs_few_fetches(router, responder, found):
    """The number of locations for each host is limited."""
    router.replies["description"] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    responder.answer = lambda _target, count: f"LOCATION: {router.location}?{count}"
    with pytest.raises(NetworkFailure):
        await found()
    assert len(router.heads) <= discovery.MAX_LOCATIONS_OF_HOST


async def test_a_description_that_cannot_be_read_at_first_is_fetched_once_more(router, responder, found):
    """A router that is busy or starting refuses it, and has it a moment later."""
    router.replies["description"] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    def answer(_target: str, count: int) -> str:
        if count > 3:
            router.replies.clear()
        return f"LOCATION: {router.location}"

    responder.answer = answer
    assert len(await found()) == 1


async def test_a_description_that_can_never_be_read_is_fetched_twice(router, responder, found):
    """However often it is announced."""
    router.replies["description"] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    responder.answer = lambda *_: f"LOCATION: {router.location}"
    with pytest.raises(NetworkFailure):
        await found()
    assert len(router.heads) == 2
