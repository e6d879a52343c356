"""HTTP requests within limits of time, size and connections."""

from __future__ import annotations

import asyncio
import ipaddress

import aiohttp
import pytest
from async_upnp_client.const import HttpRequest
from closing_gate import closing_after

from portmapper.api.errors import (
    GatewayTimeout,
    NetworkFailure,
    NotLeading,
)
from portmapper_upnp import requester as requester_module
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.factory import connect
from portmapper_upnp.requester import BoundedRequester, _compact, _host

LOOPBACK = ipaddress.ip_address("127.0.0.1")


async def test_h4_a_slow_drip_ends(monkeypatch):
    """The time limit is for the whole exchange, not for each read."""

    async def drip(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    monkeypatch.setattr(requester_module, "REQUEST_TIME", 0.1)
    port = server.sockets[0].getsockname()[1]
    async with requester_module.open_session(LOOPBACK) as session:
        with pytest.raises(GatewayTimeout):
            await connect(session, Endpoint(f"http://127.0.0.1:{port}/", LOOPBACK, LOOPBACK))
    server.close()
    await server.wait_closed()


class LateSession:
    """A session whose first connections time out; it records the connect timeouts."""

    def __init__(self, session, times):
        self.session, self.times, self.tries = session, times, []

    def request(self, *arguments, timeout, **options):
        """Time out, or send the request."""
        self.tries.append(timeout.sock_connect)
        if len(self.tries) <= self.times:
            raise aiohttp.ConnectionTimeoutError
        return self.session.request(*arguments, timeout=timeout, **options)


async def test_a_gateway_that_comes_back_is_reached_soon(router):
    """The system repeats a SYN after 1, 3 and 7 s; we start a new connection in between."""
    question = HttpRequest("GET", router.location, {}, None)
    async with requester_module.open_session(LOOPBACK) as session:
        late = LateSession(session, 3)
        answer = await BoundedRequester(late).async_http_request(question)
        assert answer.status_code == 200
        assert late.tries == list(requester_module.CONNECT_TIMES)
        with pytest.raises(GatewayTimeout):
            await BoundedRequester(LateSession(session, 4)).async_http_request(question)
    assert sum(requester_module.CONNECT_TIMES) == requester_module.REQUEST_TIME


@pytest.mark.parametrize(("host", "followed"), [("127.0.0.1", True), ("127.0.0.2", False)])
async def test_h16_a_redirected_call_is_followed_on_the_same_host(router, connected, build, host, followed):
    """And only three times."""
    gateway = await connected()
    elsewhere = f"Location: {router.location}?elsewhere\r\n".replace("127.0.0.1", host)
    router.replies["GetExternalIPAddress"] = build.http("", "302 Found", elsewhere)
    with pytest.raises(NetworkFailure):
        await gateway.external_address()
    assert len([head for head in router.heads if "?elsewhere" in head]) == 3 * followed


async def test_a_connection_closed_without_an_answer_is_typed(router, connected):
    """It fails after a few retries."""
    gateway = await connected()
    router.replies["GetExternalIPAddress"] = b""
    with pytest.raises(NetworkFailure):
        await gateway.external_address()


def test_the_host_header_has_no_zone():
    """A zone has no meaning on the other side."""
    assert _host("http://[fe80::1%eth0]:5000/x") == "[fe80::1]:5000"
    assert _host("http://192.168.1.1/x") == "192.168.1.1"


async def test_h5_at_most_four_calls_at_once(router, connected, request_for):
    """Thirty concurrent mappings never need more than four connections."""
    gateway = await connected()
    ports = range(1000, 1030)
    await asyncio.gather(*(gateway.map(request_for(internal_port=p, external_port=p)) for p in ports))
    assert router.most_busy <= 4
    assert len(router.table) == 30


def test_h10_a_request_has_no_whitespace_between_elements():
    """The arguments of AddPortMapping follow each other directly."""
    assert _compact("<a>1</a>\n<b>two words</b> <c/>") == "<a>1</a><b>two words</b><c/>"
    assert _compact(b"<a> </a>") == b"<a> </a>"
    assert _compact(None) is None


@pytest.mark.parametrize("lenient", [False, True])
async def test_nothing_is_sent_once_another_daemon_leads(router, lenient):
    """The check is after connecting, which takes time, and for a connection that is kept, too."""
    question = HttpRequest("GET", router.location, {}, None)
    async with requester_module.open_session(LOOPBACK) as session:
        requester = BoundedRequester(session)
        requester._lenient = lenient
        with closing_after(10) as gate:
            await requester.async_http_request(question)
            gate.left = 0
            with pytest.raises(NotLeading):
                await requester.async_http_request(question)
        assert len(router.heads) == 1
