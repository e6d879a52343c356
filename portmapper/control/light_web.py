"""What the handlers need of `aiohttp.web`, for the control socket: it would take 14 MiB of every daemon.

The names and parameters are those of aiohttp, because the same handlers also answer over TCP.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

Headers = dict[str, str]

Write = Callable[[bytes], Awaitable[None]]
"""Sends a part of a body."""

JSON = "application/json; charset=utf-8"


class RequestHeaders:
    """The headers of a request; names are found in any case."""

    def __init__(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        self._fields = {
            name.decode("ascii").lower(): value.decode("utf-8", "surrogateescape") for name, value in fields
        }

    def get(self, name: str, default: str = "") -> str:
        """Return the value of a header."""
        return self._fields.get(name.lower(), default)


class Request:
    """A request, whose body may not have arrived yet.

    Attributes:
        method: such as `GET`.
        path: without the query, decoded.
        query: the parameters; the first counts if one is repeated.
        headers: the headers.
        match_info: the variable parts of the path.
        transport: the connection.
    """

    def __init__(
        self,
        method: str,
        target: str,
        headers: RequestHeaders,
        transport: asyncio.BaseTransport,
        body: Callable[[], Awaitable[bytes]],
        begin: Callable[[StreamResponse], Awaitable[Write]],
    ) -> None:
        """Parse the target.

        Raises:
            ValueError: it is no valid URL.
        """
        url = urlsplit(target)
        self.method = method
        self.path = unquote(url.path)
        self.query = dict(reversed(parse_qsl(url.query, keep_blank_values=True)))
        self.headers = headers
        self.match_info: Mapping[str, str] = {}
        self.transport = transport
        self.read = body
        self.begin = begin


class Response:
    """An answer with a body that is complete."""

    def __init__(
        self, *, status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.headers: Headers = dict(headers or {})


class StreamResponse:
    """An answer whose body is written in parts."""

    def __init__(self, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.headers: Headers = dict(headers or {})
        self._write: Write | None = None

    async def prepare(self, request: Request) -> None:
        """Send the headers."""
        self._write = await request.begin(self)

    async def write(self, data: bytes) -> None:
        """Send a part, and wait until the client takes it. Raise `ConnectionError` if it left."""
        assert self._write is not None, "it is prepared"
        await self._write(data)


def json_response(document: object = None, *, text: str | None = None, status: int = 200) -> Response:
    """Return an answer of JSON: of a document, or of text that is JSON already."""
    content = json.dumps(document) if text is None else text
    return Response(status=status, body=content.encode(), headers={"Content-Type": JSON})
