"""Discovery over IPv6: only the sender of an answer is connected to."""

from __future__ import annotations

import asyncio
import ipaddress
from functools import partial
from unittest.mock import AsyncMock

import pytest

from portmapper.api.backend import ListsMappings, Target
from portmapper.api.errors import Unsupported
from portmapper_upnp import factory
from portmapper_upnp.backend import IgdBackend
from portmapper_upnp.discovery import Discovery
from portmapper_upnp.endpoint import Endpoint

ME = ipaddress.ip_address("::1")
FIREWALL = "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"


@pytest.fixture
async def router_ipv6(router, build):
    """Serve the router on IPv6 loopback."""
    router.description = build.description(build.service("WANIPv6FirewallControl:1"), version=2)
    try:
        server = await asyncio.start_server(router.serve, "::1", 0)
    except OSError:
        pytest.skip("this host has no IPv6")
    router.port = server.sockets[0].getsockname()[1]
    yield router
    server.close()
    await server.wait_closed()


@pytest.fixture
async def responder_ipv6(responder, router_ipv6):
    """Answer searches on IPv6 loopback, for any target, with the LOCATION of the test."""
    transport, there = await asyncio.get_running_loop().create_datagram_endpoint(
        type(responder), local_addr=("::1", 0)
    )
    yield there
    transport.abort()


async def found_by(responder) -> list[str]:
    """Search as the backend does, and return the gateways that are found."""
    backend = IgdBackend(ssdp_port=responder.port)
    try:
        return [
            f"{gateway.identity} {gateway.location}"
            async for gateway in backend.discover(Target(ME, interface="lo", gateway=ME))
        ]
    finally:
        await backend.close()


@pytest.mark.parametrize("host", ["[::1]", "[2001:db8::1]", "[fe80::1]", "192.0.2.1"])
async def test_the_sender_is_queried_whatever_address_it_names(responder_ipv6, router_ipv6, host):
    """A router may answer from one address and name another; a forged answer gains nothing."""
    port = router_ipv6.port
    responder_ipv6.answer = lambda _target, _count: f"LOCATION: http://{host}:{port}/desc.xml\r\nST: x"
    assert await found_by(responder_ipv6) == [f"upnp:::1 http://[::1]:{port}/desc.xml"]
    assert FIREWALL not in responder_ipv6.searches[:2]


async def test_the_sender_may_be_the_default_gateway(router_ipv6, session):
    """The same document is requested from the gateway first, because it may have answered."""
    connect = partial(factory.connect, session)
    discovery = Discovery(Target(ME, interface="lo", gateway=ME), connect, ssdp_port=1900)
    location = f"http://[2001:db8::1]:{router_ipv6.port}/desc.xml"
    answered = Endpoint(location, ipaddress.ip_address("2001:db8::1"), ME)
    requested = [(str(endpoint.address), endpoint.location) for endpoint in discovery._endpoints(answered)]
    assert requested == [("::1", f"http://[::1]:{router_ipv6.port}/desc.xml"), ("2001:db8::1", location)]
    chosen = Discovery(Target(ME, gateway=ME, chosen=True), connect, ssdp_port=1900)
    assert [str(endpoint.address) for endpoint in chosen._endpoints(answered)] == ["::1"]


async def test_the_firewall_itself_is_searched_for_too(responder_ipv6, router_ipv6):
    """Some devices answer only to searches for a service."""
    location = f"LOCATION: http://[::1]:{router_ipv6.port}/desc.xml"
    responder_ipv6.answer = lambda target, _: f"{location}\r\nST: {FIREWALL}" if target == FIREWALL else None
    assert await found_by(responder_ipv6)


async def test_a_gateway_without_a_firewall_control_is_unsupported(responder_ipv6, router_ipv6, build):
    """The error names the reason."""
    router_ipv6.description = build.description(build.service("WANIPConnection:1"))
    location = f"LOCATION: http://[::1]:{router_ipv6.port}/desc.xml\r\nST: x"
    responder_ipv6.answer = lambda _target, _count: location
    with pytest.raises(Unsupported, match="IPv6 firewall"):
        await found_by(responder_ipv6)


@pytest.mark.parametrize(
    ("gateway", "sender", "named"),
    [
        ("fe80::1%lo", "fe80::1", "fe80::1%lo"),
        ("fe80::1%lo", "fe80::2", "fe80::2%lo"),
        (None, "fe80::2", "fe80::2%lo"),
        ("fe80::1%lo", "2001:db8::2", "2001:db8::2"),
    ],
)
def test_the_default_gateway_is_known_by_its_zone(gateway, sender, named):
    """Its identity is the same for every protocol, and across restarts."""
    there = ipaddress.ip_address(gateway) if gateway else None
    discovery = Discovery(Target(ME, interface="lo", gateway=there), AsyncMock(), ssdp_port=1900)
    assert discovery._with_zone(ipaddress.ip_address(sender)) == ipaddress.ip_address(named)


async def test_a_router_stays_unread_while_pcp_answers(responder_ipv6, router_ipv6, monkeypatch):
    """Its first pinhole reads it; the firewall lists nothing."""
    monkeypatch.setattr("portmapper_upnp.backend.is_loaded", lambda _: False)
    location = f"LOCATION: http://[::1]:{router_ipv6.port}/desc.xml"
    igd = "urn:schemas-upnp-org:device:InternetGatewayDevice:2"
    responder_ipv6.answer = lambda _target, _count: f"{location}\r\nST: {igd}\r\nUSN: uuid:1::{igd}"
    backend, target = IgdBackend(ssdp_port=responder_ipv6.port), Target(ME, interface="lo", gateway=ME)
    backend.others_answered(target, {ME}, may_follow=False, alone=False)
    [gateway] = [gateway async for gateway in backend.discover(target)]
    assert (gateway.unread, isinstance(gateway, ListsMappings)) == (True, False)
    assert await gateway.external_address() is None
    assert (gateway.unread, gateway.protocol) == (False, "IGD 2")
    await gateway.close()
    await backend.close()
