"""Small HTTP server that controls every byte of an answer, to imitate real gateways."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import attrs

from portmapper_simulator import upnp_points
from portmapper_simulator.sockets import with_address
from portmapper_simulator.state import State
from portmapper_simulator.upnp_points import Listening, Response

MAX_HEAD = 8192
MAX_BODY = 65536
MAX_CONNECTIONS = 64
IDLE_TIMEOUT = 30.0
CHUNK = 1000
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
}


@attrs.frozen
class HttpRequest:
    """An HTTP request.

    Attributes:
        headers: names as written, with their values.
        sender: the client's address.
    """

    method: str
    path: str
    version: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    sender: str

    def header(self, name: str) -> str:
        """Return a header's value by lowercase name, empty if the header is missing."""
        return next((value for key, value in self.headers if key.lower() == name), "")


class _BadRequest(Exception):
    """The received data is not a valid HTTP request."""


class HttpServer:
    """Reads requests, gets the response from a function, and writes it.

    Attributes:
        ports: TCP ports it listens on.
        accepted: number of connections so far.
        peak: most connections at the same time.
    """

    ports: tuple[int, ...] = ()
    accepted = 0
    peak = 0

    def __init__(self, state: State, respond: Callable[[HttpRequest], Awaitable[Response]]) -> None:
        self._state = state
        self._respond = respond
        self._servers: list[asyncio.Server] = []
        self._most = MAX_CONNECTIONS
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen, on the same ports as before after a restart. Raises `OSError`."""
        settings = self._state.settings
        listening = upnp_points.LISTEN.apply(self._state.quirks, Listening((settings.http_port,)))
        self._most = min(listening.connections, MAX_CONNECTIONS)
        for port in self.ports or listening.ports:
            try:
                server = await asyncio.start_server(
                    self._accept, settings.host, port, limit=MAX_HEAD, backlog=listening.backlog
                )
            except OSError as error:
                raise with_address(error, f"{settings.host}, TCP port {port}") from error
            self._servers.append(server)
        self.ports = tuple(server.sockets[0].getsockname()[1] for server in self._servers)

    async def close(self) -> None:
        """Stop listening, and close all connections."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        running = list(self._connections)
        for connection in running:
            connection.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self._most:
            writer.transport.abort()
            return
        connection = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(connection)
        self.accepted += 1
        self.peak = max(self.peak, len(self._connections))
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve_one(reader, writer):
                pass
        except _BadRequest:
            with contextlib.suppress(OSError):
                await self._write(writer, Response("", 400, b"", close=True), head_only=False)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request, and return whether the connection stays open."""
        async with asyncio.timeout(IDLE_TIMEOUT):
            request = await _read(reader, writer.get_extra_info("peername")[0])
        if request is None:
            return False
        if "upnp" in self._state.muted:
            # Stay silent instead of closing, so that the client has to time out.
            await asyncio.sleep(IDLE_TIMEOUT)
            return False
        self._state.log_request("http", request.method, request.sender, path=request.path)
        close_requested = request.version == "HTTP/1.0" or request.header("connection").lower() == "close"
        response = attrs.evolve(await self._respond(request), close=close_requested)
        response = upnp_points.RESPONSE.apply(self._state.quirks, response)
        await asyncio.sleep(response.delay)
        await self._write(writer, response, head_only=request.method == "HEAD")
        return not (response.close or response.framing == "close")

    async def _write(self, writer: asyncio.StreamWriter, response: Response, *, head_only: bool) -> None:
        writer.write(_head(response))
        if head_only:
            pass
        elif response.pause:
            for byte in response.body:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(response.pause)
        elif response.framing == "chunked":
            writer.write(_chunked(response.body))
        else:
            writer.write(response.body)
        await writer.drain()


async def _read(reader: asyncio.StreamReader, sender: str) -> HttpRequest | None:
    """Read one request, or return None if the client disconnected. Raises `_BadRequest`."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise _BadRequest from error
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _BadRequest
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name, value.strip()) for name, _, value in pairs)
    request = HttpRequest(words[0], words[1], words[2], headers, b"", sender)
    length = request.header("content-length") or "0"
    if not (length.isascii() and length.isdigit()) or len(length) > 6 or int(length) > MAX_BODY:
        raise _BadRequest
    return attrs.evolve(request, body=await reader.readexactly(int(length)))


def _head(response: Response) -> bytes:
    lines = [
        f"{response.version} {response.status} {REASONS.get(response.status, 'Unknown')}",
        f"Content-Type: {response.content_type}",
    ]
    if response.framing == "length":
        counted = len(response.body) if response.counted is None else response.counted
        lines.append(f"Content-Length: {counted}")
    elif response.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    lines.append("Server: Linux/6.1 UPnP/1.1 portmapper-simulator/1")
    if response.location:
        lines.append(f"Location: {response.location}")
    if response.close or response.framing == "close":
        lines.append("Connection: close")
    return response.newline.join(line.encode("latin-1") for line in [*lines, "", ""])


def _chunked(body: bytes) -> bytes:
    pieces = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])
