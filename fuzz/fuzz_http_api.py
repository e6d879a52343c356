"""Fuzz the control API over HTTP: the bytes of a connection to the real server in front of a parser."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Any

from harness import fuzz, instrumented

with instrumented():
    from portmapper.control import light_web
    from portmapper.control.doctor_jobs import DoctorJobs
    from portmapper.control.handlers import Handlers
    from portmapper.control.light_server import light_server
    from portmapper.control.routes import Routes
    from portmapper.sources.adhoc import parse_records

LIMIT = 20.0
"""Seconds for one input; the server closes the connection before."""

STATUS: dict[str, Any] = {"version": "1", "gateways": [], "mappings": [], "sources": [], "problems": []}


def _post(path: str, body: str, more: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


SEEDS = [
    b"GET /v1/status HTTP/1.0\r\nHost: localhost\r\n\r\n",
    b"GET /v1/history?limit=5&before=9 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n",
    _post("/v1/open", '{"mappings": [{"port": 8080, "protocol": "TCP", "lifetime": "1h"}]}'),
    _post("/v1/close", '{"mappings": [{"port": "any", "protocol": "udp", "internal_port": 1}]}'),
    _post("/v1/pause", '{"mappings": []}', "Expect: 100-continue\r\n"),
    _post("/v1/doctor", '{"port": "8080/tcp"}'),
    b"POST /v1/open HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[{}]\r\n0\r\n\r\n",
]


class ParsingDaemon:
    """Parses what it gets, as a daemon does, and changes nothing."""

    last_event_id = 0

    def status(self) -> dict[str, Any]:
        """Return a document without mappings."""
        return STATUS

    async def status_in_slices(self) -> dict[str, Any]:
        """Return the same document."""
        return STATUS

    def not_ready(self) -> list[str]:
        """Be ready."""
        return []

    def history(self, limit: int, before: int | None = None, after: int = 0) -> list[dict[str, Any]]:
        """Return no events."""
        return []

    async def open(self, records: object) -> dict[str, Any]:
        """Parse the records."""
        return {"ports": [mapping.port for mapping in parse_records(records)]}

    close = pause = resume = open

    async def reload_and_wait(self) -> dict[str, Any]:
        """Reload nothing."""
        return {"sources": []}

    async def metrics(self) -> None:
        """Provide no metrics."""

    def listen(self, _: object) -> Any:
        """Publish no events."""
        return lambda: None

    def stop(self) -> None:
        """Go on."""


def _answer(faults: list[object]) -> Any:
    """Return what answers requests; a response that reports an error of ours is a fault."""
    daemon: Any = ParsingDaemon()
    routes = Routes(Handlers(daemon, light_web, DoctorJobs()), None)

    async def answer(request: light_web.Request) -> Any:
        response = await routes.answer(request)
        if response.status == 500:
            faults.append((request.method, request.path))
        return response

    return answer


class Server:
    """The server in its own thread; the client of the fuzzer blocks."""

    def __init__(self) -> None:
        self.faults: list[object] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._started.wait()

    async def _serve(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.faults.append(context))
        async with light_server(self._socket, _answer(self.faults), shutdown_limit=1.0):
            self._started.set()
            await asyncio.Event().wait()

    def send(self, data: bytes) -> bytes:
        """Return what the server answers until it closes the connection."""
        answer = bytearray()
        client = socket.create_connection(self._socket.getsockname(), LIMIT)
        with client, contextlib.suppress(ConnectionError):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while chunk := client.recv(65536):
                answer += chunk
        return bytes(answer)


server = Server()


def parse(data: bytes) -> None:
    """Send the bytes; the answer is HTTP, and none of them is an internal error."""
    if b"/events" in data:
        return  # a stream that never ends
    answer = server.send(data)
    assert not answer or answer.startswith(b"HTTP/"), answer[:200]  # a request without a version is HTTP/0.9
    assert not server.faults, server.faults


if __name__ == "__main__":
    fuzz(parse, SEEDS)
