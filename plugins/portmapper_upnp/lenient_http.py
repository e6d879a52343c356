"""An HTTP client for answers that aiohttp's parser rejects: repeated lengths, malformed headers (H1).

Some small routers send such answers, and the clients they were tested with accept them. Only rejected
requests are repeated this way, each on a new connection.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from portmapper.api import NetworkFailure
from portmapper.support.send_gate import check_before_sending
from portmapper.support.values import frozen

MAX_HEAD = 32 * 1024
"""Maximum bytes of status line and headers."""

SILENCE = 1.0
"""Seconds without a byte after which an answer is complete, if it is read to the end."""

_STATUS = re.compile(rb"[\r\n]*(?:HTTP[/0-9.]{0,9}[ \t]+)?(?P<status>[1-5][0-9]{2})\b", re.IGNORECASE)
_END_OF_HEAD = re.compile(rb"\n\r*\n\r?|\r\r(?!\n)")
"""A blank line, whichever characters end a line."""

_CONTINUE = re.compile(rb"[\r\n]*(?:HTTP[/0-9.]{0,9}[ \t]+)?1[0-9]{2}\b", re.IGNORECASE)
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_CHUNKED = re.compile(rb"^transfer-encoding[ \t]*:.*chunked", re.IGNORECASE | re.MULTILINE)
_CHARSET = re.compile(rb"^content-type[ \t]*:.*charset=[\"']?([A-Za-z0-9_-]{1,40})", re.I | re.M)
_LOCATION = re.compile(rb"^location[ \t]*:[ \t]*([!-~]{1,1024})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_CHUNK = re.compile(rb"[ \t]*([0-9a-f]{1,8})[^\r\n]{0,200}\r?\n", re.IGNORECASE)


@frozen
class Answer:
    """An HTTP answer.

    Attributes:
        status: the status code.
        body: the body, with the chunked encoding removed.
        charset: the charset named in the headers, if any.
        location: where a redirect leads, empty if it is none.
    """

    status: int
    body: bytes
    charset: str | None
    location: str = ""


async def exchange(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    local: str | None,
    max_body: int,
    *,
    to_the_end: bool = False,
) -> Answer:
    """Send one request to an http URL and read the answer; the caller limits the time.

    Args:
        method: the HTTP method.
        url: where to send it.
        headers: headers of the request.
        body: body of the request.
        local: the local address to bind to, None for the system's choice.
        max_body: the maximum length of the answer's body in bytes.
        to_the_end: read what comes, even if it is longer than the declared length.

    Raises:
        OSError: the connection failed or was cut.
        NetworkFailure: the answer is too long, or not HTTP.
    """
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port or 80, local_addr=(local, 0) if local else None
    )
    try:
        check_before_sending()
        writer.write(_request(method, parts.path or "/", parts.query, headers, body))
        return await read_answer(reader, max_body, to_the_end=to_the_end)
    finally:
        writer.transport.abort()


async def read_answer(reader: asyncio.StreamReader, max_body: int, *, to_the_end: bool = False) -> Answer:
    """Read one answer with up to `max_body` bytes of body; with `to_the_end`, until the peer is silent.

    Raises:
        OSError: the connection was cut.
        NetworkFailure: the answer is too long, or not HTTP.
    """
    return await _AnswerReader(reader, max_body, to_the_end).answer()


def _request(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> bytes:
    target = f"{path}?{query}" if query else path
    fields = {**headers, "Connection": "close", "Content-Length": str(len(body))}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


class _AnswerReader:
    def __init__(self, reader: asyncio.StreamReader, max_body: int, to_the_end: bool) -> None:
        self._reader = reader
        self._to_the_end = to_the_end
        self._max_body = max_body
        self._bytes = bytearray()

    async def answer(self) -> Answer:
        if await self._has_no_head():
            return Answer(200, await self._rest(), None)
        head = await self._head()
        while _CONTINUE.match(head):
            head = await self._head()
        status = _STATUS.match(head)
        if status is None:
            raise NetworkFailure("the gateway's answer is not HTTP")
        charset, location = _CHARSET.search(head), _LOCATION.search(head)
        return Answer(
            int(status["status"]),
            await self._body(head),
            charset[1].decode("ascii") if charset else None,
            location[1].decode("ascii") if location else "",
        )

    async def _has_no_head(self) -> bool:
        """Tell whether the answer begins with its document, as HTTP 0.9 does."""
        while not self._bytes.strip() and len(self._bytes) < MAX_HEAD and await self._more():
            pass
        self._bytes = self._bytes.lstrip()
        return self._bytes.startswith(b"<")

    async def _head(self) -> bytes:
        while (end := _END_OF_HEAD.search(self._bytes)) is None:
            if len(self._bytes) > MAX_HEAD:
                raise NetworkFailure(f"the gateway's headers are longer than {MAX_HEAD} bytes")
            if not await self._more():
                raise NetworkFailure("the gateway's answer is not HTTP")
        head = bytes(self._bytes[: end.end()]).replace(b"\r", b"\n")
        del self._bytes[: end.end()]
        return head

    async def _body(self, head: bytes) -> bytes:
        if _CHUNKED.search(head):
            return await self._chunks()
        named = _LENGTH.search(head)
        length = int(named[1]) if named and not self._to_the_end else None
        return await self._rest(length)

    async def _rest(self, length: int | None = None) -> bytes:
        while (length is None or len(self._bytes) < length) and await self._more():
            self._check_size(self._bytes)
        return bytes(self._bytes[:length])

    async def _chunks(self) -> bytes:
        """Join the chunks; an invalid chunk header ends the body, and a body that has none is not chunked."""
        if await self._chunk_header() is None:
            return await self._rest()
        body = bytearray()
        while True:
            header = await self._chunk_header()
            size = int(header[1], 16) if header else 0
            if header is None or size == 0:
                return bytes(body)
            del self._bytes[: header.end()]
            while len(self._bytes) < size and await self._more():
                self._check_size(self._bytes)
            body += self._bytes[:size]
            self._check_size(body)
            del self._bytes[:size]

    async def _chunk_header(self) -> re.Match[bytes] | None:
        while True:
            while self._bytes.startswith((b"\r", b"\n")):
                del self._bytes[:1]
            header = _CHUNK.match(bytes(self._bytes[:256]))
            if header or len(self._bytes) >= 256 or not await self._more():
                return header

    async def _more(self) -> bool:
        try:
            async with asyncio.timeout(SILENCE if self._to_the_end and self._bytes else None):
                received = await self._reader.read(16 * 1024)
        except TimeoutError:
            return False
        self._bytes += received
        return bool(received)

    def _check_size(self, read: bytearray) -> None:
        if len(read) > self._max_body:
            raise NetworkFailure(f"the gateway's answer is longer than {self._max_body} bytes")
