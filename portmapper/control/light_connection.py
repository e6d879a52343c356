"""One client of the control socket: its requests, one after another, and their answers (HTTP/1.1, by h11)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import h11

from portmapper.control import light_web
from portmapper.control.handlers import MAX_BODY
from portmapper.control.light_web import Request, RequestHeaders, Response, StreamResponse, Write
from portmapper.control.problems import Problem, malformed_response
from portmapper.support.connection_guard import guard_of

Answer = Callable[[Request], Awaitable[Response | StreamResponse]]
"""Answers a request; errors become responses, except those of the connection."""

CHUNK = 65_536

VERSIONS = (b"1.0", b"1.1")


class Connection:
    """Reads the requests of a client and sends the answers.

    Attributes:
        is_idle: no request is under way.
        ends: the request under way is the last one.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
        self.is_idle = True
        self.ends = False
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._http = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        """Answer requests until the client leaves or the connection cannot be used again.

        Raises:
            ConnectionError: the client left before it took an answer.
        """
        try:
            while await self._serve_one():
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            await self._refuse(error.error_status_hint)

    async def _serve_one(self) -> bool:
        """Answer the next request; return whether another one may follow."""
        event = await self._next_event()
        if not isinstance(event, h11.Request):
            return False
        guard = guard_of(self._writer.transport)
        self.is_idle = False
        if guard is not None:
            guard.begin_request()
        response = await self._answer(self._request(event))
        skips_body = self._http.they_are_waiting_for_100_continue
        await self._finish(response, is_head=event.method == b"HEAD")
        self.is_idle = True
        if guard is not None:
            guard.end_request()
        return not (skips_body or self.ends) and await self._body_is_read()

    def _request(self, event: h11.Request) -> Request:
        if event.http_version not in VERSIONS:
            raise h11.RemoteProtocolError("unknown version", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        try:
            return Request(
                event.method.decode("ascii"),
                event.target.decode("ascii"),
                RequestHeaders(event.headers),
                self._writer.transport,
                self._read_body,
                self._begin,
            )
        except ValueError as error:
            raise h11.RemoteProtocolError(str(error)) from error

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(CHUNK))
        return event

    async def _read_body(self) -> bytes:
        """Return the body of the request.

        Raises:
            Problem: it is too long or invalid.
        """
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        body = bytearray()
        while self._http.their_state is h11.SEND_BODY:
            body += await self._read_part()
            if len(body) > MAX_BODY:
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {MAX_BODY} bytes")
        return bytes(body)

    async def _read_part(self) -> bytes:
        try:
            event = await self._next_event()
        except h11.RemoteProtocolError as error:
            raise Problem(error.error_status_hint, "the body is not valid HTTP") from error
        return event.data if isinstance(event, h11.Data) else b""

    async def _body_is_read(self) -> bool:
        """Read what no handler has read of the body; return whether another request may follow."""
        with contextlib.suppress(Problem):
            await self._read_body()
        return self._http.their_state is self._http.our_state is h11.DONE

    async def _begin(self, response: StreamResponse) -> Write:
        await self._send_head(response)
        return self._write

    async def _write(self, data: bytes) -> None:
        await self._send(h11.Data(data=data))

    async def _finish(self, response: Response | StreamResponse, *, is_head: bool) -> None:
        """Send an answer, or the rest of it."""
        if isinstance(response, Response):
            response.headers["Content-Length"] = str(len(response.body))
            await self._send_head(response)
            if response.body and not is_head:
                await self._write(response.body)
        await self._send(h11.EndOfMessage())

    async def _refuse(self, status: int) -> None:
        """Answer what is not valid HTTP, unless an answer has begun."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._finish(malformed_response(light_web, status), is_head=False)

    async def _send_head(self, response: Response | StreamResponse) -> None:
        status, headers = response.status, [*response.headers.items(), ("Date", _now())]
        await self._send(
            h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())
        )

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()


def _now() -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
