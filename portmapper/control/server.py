"""The daemon's HTTP API for programs of its owner: status, history, events, reload, open, close."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from portmapper.api.errors import StoreError, UsageError
from portmapper.api.events import Event
from portmapper.control import loopback
from portmapper.control.loopback import PORT_FILE, ControlPort
from portmapper.control.unix_socket import SOCKET_NAME, VERSION, short_address
from portmapper.observability.publisher import event_document
from portmapper.support.threads import in_thread

if TYPE_CHECKING:
    from aiohttp import web

    from portmapper.api.metrics import MetricsPage

Question = Callable[[object], Awaitable[dict[str, Any]]]

LONGEST_HISTORY = 10_000
EVENTS_BEHIND = 1000
"""Events that a slow reader of the stream may be behind before it is cut off."""

SHUTDOWN_LIMIT = 1.0
"""Seconds that requests under way have when the daemon stops."""

LISTEN_AGAIN = 5.0
"""Seconds until a socket is tried again that the directory did not take."""

_log = logging.getLogger(__name__)


class Controlled(Protocol):
    """What the API needs of a daemon."""

    def status(self) -> dict[str, Any]:
        """Return the status document."""

    def history(self, limit: int) -> list[dict[str, Any]]:
        """Return the latest events, the oldest first."""

    async def metrics(self) -> MetricsPage | None:
        """Return the numbers that an observer shows, None where none does."""

    def reload(self) -> None:
        """Read the sources again, and try at once what is not open."""

    async def open(self, records: object) -> dict[str, Any]:
        """Keep these mappings open until `close`; raises `UsageError`."""

    async def close(self, records: object) -> dict[str, Any]:
        """Close ports that `open` asked for; raises `UsageError`."""

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each event until what is returned is called."""


async def serve(daemon: Controlled, directory: Path, *, loopback: bool = loopback.NEEDED) -> None:
    """Serve the API until cancelled. A socket that cannot be had is told, and holds nothing up.

    Args:
        daemon: who answers.
        directory: of its state.
        loopback: on a loopback port with a token, instead of a Unix socket.
    """
    web = await in_thread(_import_web)
    listener, port = await _listen_at_last(directory, loopback)
    runner = web.AppRunner(_application(daemon, web, port), access_log=None, shutdown_timeout=SHUTDOWN_LIMIT)
    try:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
        listener.close()
        (directory / (PORT_FILE if loopback else SOCKET_NAME)).unlink(missing_ok=True)


def _application(daemon: Controlled, web: Any, port: ControlPort | None) -> Any:
    checks = [_with_token(web, port)] if port else []
    application = web.Application(middlewares=[_errors_as_json(web), *checks])
    api = _API(daemon, web)
    application.add_routes(
        [
            web.get(f"/{VERSION}/status", api.status),
            web.get(f"/{VERSION}/history", api.history),
            web.get(f"/{VERSION}/events", api.events),
            web.get("/metrics", api.metrics),
            web.get(f"/{VERSION}/metrics", api.metrics),
            web.post(f"/{VERSION}/reload", api.reload),
            web.post(f"/{VERSION}/open", api.open),
            web.post(f"/{VERSION}/close", api.close),
        ]
    )
    return application


class _API:
    """One method for each path."""

    def __init__(self, daemon: Controlled, web: Any) -> None:
        self._daemon = daemon
        self._web = web

    async def status(self, _: web.Request) -> web.Response:
        return self._answer(self._daemon.status())

    async def history(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", "1000")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= LONGEST_HISTORY):
            raise self._web.HTTPBadRequest(text=f"limit must be a number from 1 to {LONGEST_HISTORY}")
        try:
            return self._answer(self._daemon.history(int(limit)))
        except StoreError as error:
            raise self._web.HTTPInternalServerError(text=str(error)) from error

    async def metrics(self, _: web.Request) -> web.Response:
        page = await self._daemon.metrics()
        if page is None:
            raise self._web.HTTPNotFound(text="no plugin shows metrics")
        response: web.Response = self._web.Response(
            body=page.body, headers={"Content-Type": page.content_type}
        )
        return response

    async def reload(self, _: web.Request) -> web.Response:
        self._daemon.reload()
        return self._answer({"reloading": True})

    async def open(self, request: web.Request) -> web.Response:
        return await self._ask(self._daemon.open, request)

    async def close(self, request: web.Request) -> web.Response:
        return await self._ask(self._daemon.close, request)

    async def _ask(self, question: Question, request: web.Request) -> web.Response:
        try:
            document = json.loads(await request.read())
            records = document["mappings"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise self._web.HTTPBadRequest(text='the body must be {"mappings": [...]}') from None
        try:
            return self._answer(await question(records))
        except UsageError as error:
            raise self._web.HTTPBadRequest(text=str(error)) from error

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send each event as one line of JSON, as it happens."""
        response: web.StreamResponse = self._web.StreamResponse(
            headers={"Content-Type": "application/x-ndjson"}
        )
        await response.prepare(request)
        queue: asyncio.Queue[Event] = asyncio.Queue(EVENTS_BEHIND)
        ignore = self._daemon.listen(lambda event: None if queue.full() else queue.put_nowait(event))
        try:
            while not queue.full():
                line = json.dumps(event_document(await queue.get()))
                await response.write(line.encode() + b"\n")
        finally:
            ignore()
        return response

    def _answer(self, document: object) -> web.Response:
        response: web.Response = self._web.json_response(document)
        return response


def _errors_as_json(web: Any) -> Any:
    @web.middleware  # type: ignore[untyped-decorator]
    async def middleware(request: web.Request, handler: Any) -> Any:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return web.json_response({"error": error.text or error.reason}, status=error.status)

    return middleware


def _with_token(web: Any, port: ControlPort) -> Any:
    @web.middleware  # type: ignore[untyped-decorator]
    async def middleware(request: web.Request, handler: Any) -> Any:
        if not port.admits(request.headers.get("Authorization", "")):
            raise web.HTTPUnauthorized(text=f"the token of {PORT_FILE} is missing or wrong")
        return await handler(request)

    return middleware


async def _listen_at_last(directory: Path, on_loopback: bool) -> tuple[socket.socket, ControlPort | None]:
    """Listen as soon as the directory can be written, and say once that it cannot."""
    told = False
    while True:
        try:
            return loopback.listen(directory) if on_loopback else (_listen(directory), None)
        except OSError as error:
            if not told:
                _log.warning("no control socket in %s: %s", directory, error.strerror or error)
            told = True
            await asyncio.sleep(LISTEN_AGAIN)


def _listen(directory: Path) -> socket.socket:
    """Return a listening socket that only its owner may open; what a crash left there is replaced.

    It gets its name once it listens: who finds it there is never refused.
    """
    unnamed = directory / f"{SOCKET_NAME}.new"
    unnamed.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with short_address(directory, unnamed.name) as address:
            listener.bind(address)
        listener.listen()
        unnamed.replace(directory / SOCKET_NAME)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _import_web() -> Any:
    """Import aiohttp beside the loop: it takes longer than opening the first port."""
    from aiohttp import web

    return web
