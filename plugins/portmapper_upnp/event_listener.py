"""A listener for the events of one gateway: NOTIFY requests over HTTP (UDA 2.0, section 4.3).

async-upnp-client's own server loads aiohttp's web server, accepts any sender, and keeps events of unknown
subscriptions without a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from portmapper.api import BackendError, IPAddress
from portmapper_upnp.lenient_xml import parse

MAX_HEAD, MAX_BODY = 8192, 65536
MAX_CONNECTIONS = 4
REQUEST_TIME = 5.0
"""Seconds for one request, from the connection to its last byte."""

MAX_PROPERTIES = 32

_UNREADABLE = (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)

Received = Callable[[str, Mapping[str, str]], bool]
"""Takes the id of a subscription and its changed variables; returns whether the subscription is known."""

_log = logging.getLogger(__name__)


class EventListener:
    """A TCP port on our address toward the gateway. Only the gateway may connect."""

    def __init__(self, local_address: IPAddress, gateway: IPAddress, received: Received) -> None:
        self._local_address = str(local_address)
        self._gateway = str(gateway)
        self._received = received
        self._connections = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> str:
        """Listen, and return the URL for the gateway. Raise `OSError` if that fails."""
        self._server = await asyncio.start_server(
            self._accept, self._local_address, 0, limit=MAX_HEAD, backlog=MAX_CONNECTIONS
        )
        port = self._server.sockets[0].getsockname()[1]
        return f"http://{self._local_address}:{port}/"

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            sender = writer.get_extra_info("peername")
            if sender and sender[0] == self._gateway and self._connections <= MAX_CONNECTIONS:
                async with asyncio.timeout(REQUEST_TIME):
                    status = await self._answer(reader)
                    writer.write(
                        f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
                    )
                    await writer.drain()
        except (
            OSError,
            TimeoutError,
            ValueError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as e:
            _log.debug("an event of %s was not read: %s", self._gateway, type(e).__name__)
        finally:
            self._connections -= 1
            with contextlib.suppress(OSError):
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> str:
        """Read one request, and return the status of the answer."""
        start, headers = _headers((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
        length = headers.get("content-length", "")
        if not start.startswith("NOTIFY "):
            return "405 Method Not Allowed"
        if not (length.isascii() and length.isdigit() and int(length[:9]) <= MAX_BODY):
            return "400 Bad Request"
        body = (await reader.readexactly(int(length))).decode("utf-8", "replace")
        known = self._received(headers.get("sid", ""), _properties(body))
        return "200 OK" if known else "412 Precondition Failed"


def _headers(head: str) -> tuple[str, dict[str, str]]:
    start, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return start, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _properties(body: str) -> dict[str, str]:
    """Return the changed variables; nothing if the document is invalid."""
    try:
        root = parse(body)
    except BackendError as error:
        _log.debug("an event is not readable: %s", error)
        return {}
    found = [variable for entry in root.iter("property") for variable in entry][:MAX_PROPERTIES]
    return {variable.tag: (variable.text or "").strip() for variable in found}
