"""HTTP answers that a strict parser rejects (H1 and H4 of the conformance list)."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import BackendError, NetworkFailure
from portmapper_upnp.lenient_http import read_answer


def external(build, body):
    """Build the body of an answer with the external address."""
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
async def test_h1_minimal_http_is_read(router, connected, build, head):
    """No length, bare line feeds, an old version, an odd type: read to the end."""
    gateway = await connected()
    router.replies["GetExternalIPAddress"] = head + external(build, ADDRESS)
    assert str(await gateway.external_address()) == "8.8.8.8"


async def test_h1_chunks_are_read(router, connected, build):
    """The parts of a chunked body are joined."""
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
        "HTTP 200 OK\r\n",
        "200\r\nServer: x\r\n",
        "\r\n\r\nHTTP/1.1 200 OK\r\r\nServer: x\r\r\n\r",
        "HTTP/1.1 200 OK\r\nX: {padding}\r\n",
    ],
)
async def test_h1_http_that_a_strict_parser_refuses_is_read(router, connected, request_for, build, lines):
    """Repeated, empty and negative lengths, malformed headers, invalid versions."""

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
async def test_h4_lenient_http_has_the_same_limits(router, connected, answer):
    """No HTTP at all, or an endless body or head."""
    router.replies["description"] = answer
    with pytest.raises(NetworkFailure):
        await connected()


heads = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 100 Continue\r\n",
            b"Content-Length: 3\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Type: text/xml; charset=utf-8\n",
            b"\r\n",
            b"3\r\nabc\r\n",
            b"fffffff\r\n",
            b"0\r\n\r\n",
        ]
    )
).map(b"".join)


@given(st.builds(lambda start, rest: start + rest, heads, st.binary(max_size=300)))
def test_any_stream_is_an_answer_or_a_failure(data):
    """The body is never longer than its limit, nor than the received data."""

    async def read():
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await read_answer(reader, 200)

    with contextlib.suppress(BackendError):
        answer = asyncio.run(read())
        assert len(answer.body) <= min(200, len(data))
