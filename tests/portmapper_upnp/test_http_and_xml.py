"""Section H of the conformance list: what comes back over HTTP, and how it is asked."""

from __future__ import annotations

import asyncio
import ipaddress

import aiohttp
import pytest
from async_upnp_client.const import HttpRequest

from portmapper.api.errors import BackendError, Conflict, GatewayTimeout, NetworkFailure, Unsupported
from portmapper_upnp import requester as requester_module
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.factory import connect
from portmapper_upnp.requester import BoundedRequester, decode

LOOPBACK = ipaddress.ip_address("127.0.0.1")


def external(build, body):
    """Write the body of an answer that tells the external address."""
    return build.ENVELOPE.format(
        f"<u:GetExternalIPAddressResponse xmlns:u='x'>{body}</u:GetExternalIPAddressResponse>"
    ).encode()


ADDRESS = "<NewExternalIPAddress>8.8.8.8</NewExternalIPAddress>"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
        b"HTTP/1.1 200 OK\nServer: x\nConnection: close\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=nonsense\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=hex\r\nConnection: close\r\n\r\n",
    ],
)
async def test_h1_odd_http_is_read(router, connected, build, head):
    """No length, bare line feeds, the old version, an odd type: read to the end."""
    gateway = await connected()
    router.replies["GetExternalIPAddress"] = head + external(build, ADDRESS)
    assert str(await gateway.external_address()) == "8.8.8.8"


async def test_h1_chunks_are_read(router, connected, build):
    """A chunked body is put together."""
    gateway = await connected()
    body = external(build, ADDRESS)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:50], body[50:]))
    router.replies["GetExternalIPAddress"] = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    )
    assert str(await gateway.external_address()) == "8.8.8.8"


@pytest.mark.parametrize(
    "lines",
    [
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Length: {length}\r\n",
        "HTTP/1.1 200 OK\r\nthis is no header\r\nContent-Length: {length}\r\n",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\nServer : x\r\nContent-Length : {length}\r\n",
        "HTTP/1.1 200 OK\r\nServer: a\0b\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\nContent-Type: text/xml; charset=utf-8\r\n",
        "http/1.1 200 ok\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/0.0 200\r\n",
        "HTTP/1.1 200 OK\r\nX: {padding}\r\n",
    ],
)
async def test_h1_http_that_a_strict_parser_refuses_is_read(router, connected, request_for, build, lines):
    """Doubled, empty and negative lengths, lines that are no headers, versions that are none."""

    def sloppy(document):
        body = document.encode()
        return f"{lines.format(length=len(body), padding='x' * 9000)}\r\n".encode() + body

    router.replies["description"] = sloppy(router.description)
    router.replies["GetExternalIPAddress"] = sloppy(external(build, ADDRESS).decode())
    gateway = await connected()
    assert str(await gateway.external_address()) == "8.8.8.8"
    assert (await gateway.map(request_for())).external_port == 80


async def test_h1_chunks_with_a_length_beside_them_are_read(router, connected, build):
    """The chunks count, whatever the length says."""
    gateway = await connected()
    body = external(build, ADDRESS)
    router.replies["GetExternalIPAddress"] = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x;x=y\r\n%s\r\n" % (len(part), part) for part in (body[:50], body[50:]))
        + b"0\r\n\r\n"
    )
    assert str(await gateway.external_address()) == "8.8.8.8"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-dropbear\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n" + b"x" * (300 * 1024),
        b"HTTP/1.1 200 OK\r\nno header\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"9999999\r\n"
        + b"x" * (300 * 1024),
        b"HTTP/1.1 200 OK\r\n" + b"no header\r\n" * 10_000,
        b"HTTP/1.1 200 OK\r\nno header",
    ],
)
async def test_h4_sloppy_http_has_the_same_bounds(router, connected, answer):
    """No HTTP at all, a body or a head without end."""
    router.replies["description"] = answer
    with pytest.raises(NetworkFailure):
        await connected()


@pytest.mark.parametrize(
    "body",
    [
        "<x:Envelope><x:Body><y:GetExternalIPAddressResponse>{}</y:GetExternalIPAddressResponse></x:Body></x:Envelope>",
        "<Envelope><Body><GetExternalIPAddressResponse>{}</GetExternalIPAddressResponse></Body></Envelope>",
        '<E xmlns="urn:a"><GetExternalIPAddressResponse xmlns="urn:b">{}</GetExternalIPAddressResponse></E>',
        "\ufeff \r\n<?xml version='1.0'?><GetExternalIPAddressResponse>{}</GetExternalIPAddressResponse>junk",
        "<E><GetExternalIPAddressResponse>{}<More>AT&T &nbsp;</More></GetExternalIPAddressResponse></E>\0\0",
    ],
)
async def test_h2_namespaces_do_not_matter(router, connected, build, body):
    """Unbound, missing and wrong namespaces, and rubbish around the document."""
    gateway = await connected()
    router.replies["GetExternalIPAddress"] = build.http(body.format(ADDRESS))
    assert str(await gateway.external_address()) == "8.8.8.8"


async def test_h2_a_description_without_namespace_is_read(router, connected, build):
    """Descriptions get the same leniency."""
    router.description = "garbage" + build.description(build.service("WANIPConnection:1"), namespace=False)
    assert (await connected()).model == "R1"


async def test_h2_a_comment_may_have_two_hyphens(router, connected, build):
    """XML forbids them, and routers draw lines with them."""
    router.description = build.description(
        build.service("WANIPConnection:1"), before="<!-- ---- a -- b ---- -->"
    )
    assert (await connected()).model == "R1"


@pytest.mark.parametrize("missing", [1, 20, 60])
async def test_h2_a_description_that_breaks_off_is_read_as_far_as_it_goes(router, connected, build, missing):
    """A router that miscounts its length cuts the end off; the services stand before it."""
    router.description = build.description(build.service("WANIPConnection:1"))[:-missing]
    assert (await connected()).model == "R1"


async def test_h2_half_a_control_url_is_none(router, connected, build):
    """What the break cuts in two is not taken."""
    whole = build.description(build.service("WANIPConnection:1", "/control"))
    router.description = whole[: whole.index("/control") + 4]
    with pytest.raises(Unsupported, match="no WAN connection service"):
        await connected()


@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error", "400 Bad Request"])
async def test_h3_a_fault_is_one_whatever_the_status(router, connected, request_for, build, status):
    """Its code decides."""
    gateway = await connected()
    router.replies["AddPortMapping"] = build.http(build.soap_fault(729), status)
    with pytest.raises(Conflict) as caught:
        await gateway.map(request_for(exact=True))
    assert caught.value.code == 729


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\n<a></a>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n<html>done</html>",
        b"HTTP/1.1 500 Error\r\nContent-Length: 27\r\n\r\n<u:AddPortMappingResponse/>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n<AddPortMapping />",
    ],
)
async def test_h3_a_success_without_its_parts_is_one(router, connected, request_for, answer):
    """An action that returns nothing needs no words for it; whether it is true is looked up."""
    gateway = await connected()
    router.entry(80, "127.0.0.1")
    router.replies["AddPortMapping"] = answer
    assert (await gateway.map(request_for())).external_port == 80
    router.table.clear()
    liar = await connected()
    with pytest.raises(NetworkFailure, match="does not hold it"):
        await liar.map(request_for())


@pytest.mark.parametrize("status", ["401 Unauthorized", "503 Busy", "500 Error"])
@pytest.mark.parametrize("body", ["", "please log in", "<html>please log in</html>"])
async def test_h3_an_error_without_a_fault_names_its_status(
    router, connected, request_for, build, status, body
):
    """No fault, no XML, nothing at all."""
    gateway = await connected()
    router.replies["AddPortMapping"] = build.http(body, status)
    with pytest.raises(NetworkFailure, match=f"HTTP {status[:3]}"):
        await gateway.map(request_for())


@pytest.mark.parametrize(
    ("detail", "code"),
    [
        ("<UPnPError><errorCode>718</errorCode></UPnPError>", 718),
        ("<UPnPError><errorCode> 718 </errorCode><errorDescription/></UPnPError>", 718),
        ("<UPnPError><errorCode>many</errorCode></UPnPError>", 501),
        ("", 501),
    ],
)
async def test_h3_a_fault_without_its_parts_is_read(router, connected, request_for, build, detail, code):
    """No description, no number: still a fault."""
    gateway = await connected()
    fault = f"<s:Fault><detail>{detail}</detail></s:Fault>"
    router.replies["AddPortMapping"] = build.http(build.ENVELOPE.format(fault), "500 Error")
    with pytest.raises(Conflict) as caught:
        await gateway.map(request_for(exact=True))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"<root>" + b"x" * (300 * 1024) + b"</root>", NetworkFailure),
        (b"<a>" * 10_000, NetworkFailure),
        (b"<!DOCTYPE root><root/>", Unsupported),
        (b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><root>&b;</root>', Unsupported),
        (b"not xml", NetworkFailure),
        (b"", NetworkFailure),
        (b"<root/>", Unsupported),
    ],
)
async def test_h4_a_hostile_description_is_given_up(router, connected, build, document, error):
    """Too long, too deep, with a document type, or no XML at all."""
    router.replies["description"] = build.http(document)
    with pytest.raises(error):
        await connected()


async def test_h4_a_slow_drip_ends(monkeypatch):
    """The bound is on the whole exchange, not on each read."""

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


class AwayAtFirst:
    """A session whose first connections lead nowhere; it remembers how long each might take."""

    def __init__(self, session, times):
        self.session, self.times, self.tries = session, times, []

    def request(self, *arguments, timeout, **options):
        """Fail in time, or ask."""
        self.tries.append(timeout.sock_connect)
        if len(self.tries) <= self.times:
            raise aiohttp.ConnectionTimeoutError
        return self.session.request(*arguments, timeout=timeout, **options)


async def test_a_gateway_that_comes_back_is_not_kept_waiting(router):
    """The system repeats a connection's first packet after 1, 3 and 7 s; we begin anew in between."""
    question = HttpRequest("GET", router.location, {}, None)
    async with requester_module.open_session(LOOPBACK) as session:
        late = AwayAtFirst(session, 3)
        answer = await BoundedRequester(late).async_http_request(question)
        assert answer.status_code == 200
        assert late.tries == list(requester_module.CONNECT_TIMES)
        with pytest.raises(GatewayTimeout):
            await BoundedRequester(AwayAtFirst(session, 4)).async_http_request(question)
    assert sum(requester_module.CONNECT_TIMES) == requester_module.REQUEST_TIME


async def test_a_redirect_is_not_followed(router, connected, build):
    """Neither for the description nor for a call."""
    elsewhere = f"Location: {router.location}?elsewhere\r\n"
    router.replies["description"] = build.http("", "302 Found", elsewhere)
    with pytest.raises(NetworkFailure):
        await connected()
    assert len(router.heads) == 1


@pytest.mark.parametrize(
    ("control", "path"),
    [
        ("/a/control", "/a/control"),
        ("a/control", "/a/control"),
        ("?control", "/desc.xml?control"),
        ("http://127.0.0.1:{port}/other", "/other"),
    ],
)
async def test_h6_control_urls_are_resolved(router, connected, build, control, path):
    """Relative, only a query, or absolute."""
    router.description = build.description(
        build.service("WANIPConnection:1", control.format(port=router.port))
    )
    await (await connected()).external_address()
    assert router.heads[-1].startswith(f"POST {path} ")


@pytest.mark.parametrize("slash", ["", "/"])
async def test_h6_urlbase_is_used_on_another_port(router, connected, build, slash):
    """With or without a slash at its end."""
    second = await asyncio.start_server(router.serve, "127.0.0.1", 0)
    base = f"<URLBase>http://127.0.0.1:{second.sockets[0].getsockname()[1]}{slash}</URLBase>"
    router.description = build.description(build.service("WANIPConnection:1", "control"), before=base)
    await (await connected()).external_address()
    assert base[9:-10].removeprefix("http://").rstrip("/") in router.heads[-1]
    second.close()
    await second.wait_closed()


@pytest.mark.parametrize(
    "control", ["http://127.0.0.2/x", "http://[/", "ftp://127.0.0.1/", "http://10.0.0.1:0/"]
)
async def test_h6_a_control_url_elsewhere_is_refused(router, connected, build, control):
    """What the gateway describes must lie on the gateway."""
    router.description = build.description(build.service("WANIPConnection:1", control))
    with pytest.raises(Unsupported):
        await connected()


async def test_h7_calls_are_sent_as_strict_routers_want_them(router, connected, request_for):
    """The header's exact name, its value quoted, arguments in order, nothing before the XML."""
    await (await connected()).map(request_for())
    head = next(head for head in router.heads if "#AddPortMapping" in head)
    assert '\r\nSOAPAction: "urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping"\r\n' in head
    assert f"\r\nHost: 127.0.0.1:{router.port}\r\n" in head
    assert list(router.named("AddPortMapping")[0]) == [
        "NewRemoteHost",
        "NewExternalPort",
        "NewProtocol",
        "NewInternalPort",
        "NewInternalClient",
        "NewEnabled",
        "NewPortMappingDescription",
        "NewLeaseDuration",
    ]
    assert router.named("AddPortMapping")[0]["NewProtocol"] == "TCP"


@pytest.mark.parametrize("body", ["", "<html>no</html>", "{}", "<a><b></a>"])
async def test_an_answer_that_makes_no_sense_is_typed(router, connected, build, body):
    """Never a traceback of a parser."""
    gateway = await connected()
    router.replies["GetExternalIPAddress"] = build.http(body, "500 Error")
    with pytest.raises(BackendError):
        await gateway.external_address()


async def test_a_connection_closed_without_an_answer_is_typed(router, connected):
    """After a few tries."""
    gateway = await connected()
    router.replies["GetExternalIPAddress"] = b""
    with pytest.raises(NetworkFailure):
        await gateway.external_address()


def test_bytes_are_decoded_by_the_first_encoding_that_exists():
    """HTTP's charset, then the XML declaration's, then UTF-8; never an error."""
    assert decode("é".encode("latin-1"), "iso-8859-1") == "é"
    assert decode('<?xml version="1.0" encoding="iso-8859-1"?>é'.encode("latin-1"), None).endswith("é")
    assert decode("\ufeffé".encode(), "nonsense") == "é"
    assert decode(b"\xff", None) == "\ufffd"
