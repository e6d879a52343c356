"""Server of the daemon's HTTP API: status, history, events, metrics, reload, stop, open, close."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from portmapper.api.errors import StoreError, UsageError
from portmapper.api.events import Event
from portmapper.control import loopback
from portmapper.control.listener import ControlListener
from portmapper.control.loopback import PORT_FILE, ControlPort
from portmapper.control.unix_socket import VERSION
from portmapper.observability.publisher import event_document
from portmapper.support.http_server import http_server, limited, stream_without_limit
from portmapper.support.threads import in_thread

if TYPE_CHECKING:
    from aiohttp import web

    from portmapper.api.metrics import MetricsPage

RequestHandler = Callable[[object], Awaitable[dict[str, Any]]]

MAX_HISTORY = 10_000
EVENT_QUEUE_LIMIT = 1000
"""Events that may wait for a slow reader of the stream before its connection is closed."""

SHUTDOWN_LIMIT = 1.0
"""Seconds that running requests have to finish when the daemon stops."""

BODY_LIMIT = 10.0
"""Seconds for a client to send the body of a request, or to take a line of a stream."""

CHECK_INTERVAL = 1.0
"""Seconds between two checks whether the socket was removed."""

LISTEN_RETRY_DELAY = 2.0
"""Seconds before the next attempt, after the socket could not be created."""

_log = logging.getLogger(__name__)


class DaemonInterface(Protocol):
    """The methods of a daemon that the API calls."""

    def status(self) -> dict[str, Any]:
        """Return the status document."""

    def history(self, limit: int) -> list[dict[str, Any]]:
        """Return the latest `limit` events, oldest first."""

    async def metrics(self) -> MetricsPage | None:
        """Return the metrics page of an observer; None if no observer has one."""

    async def reload_and_wait(self) -> dict[str, Any]:
        """Reload the settings, read the sources, and return them. Raises `UsageError`."""

    def stop(self) -> None:
        """Stop the run in order."""

    async def open(self, records: object) -> dict[str, Any]:
        """Keep these mappings open until `close`. Raises `UsageError`."""

    async def close(self, records: object) -> dict[str, Any]:
        """Close ports that `open` requested. Raises `UsageError`."""

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each event; return a function that removes the listener."""


async def serve(
    daemon: DaemonInterface,
    directory: Path,
    *,
    loopback: bool = loopback.NEEDED,
    listener: ControlListener | None = None,
) -> None:
    """Serve the API until canceled. If the socket cannot be created, log it once and retry.

    Args:
        daemon: the daemon that answers the requests.
        directory: its state directory.
        loopback: use a loopback port with a token instead of a Unix socket.
        listener: the socket, if it is already open.
    """
    listener = listener or ControlListener(directory, on_loopback=loopback)
    try:
        while True:
            if listener.socket is None:
                await _open_with_retry(listener)
            await _serve_at(daemon, listener)
    finally:
        listener.close()


async def _serve_at(daemon: DaemonInterface, listener: ControlListener) -> None:
    """Serve until the socket's file is removed. The HTTP server is loaded for the first client."""
    if await _first_client(listener):
        web = await in_thread(_import_web)
        application = _application(daemon, web, listener.port)
        async with http_server(web, application, sock=listener.socket, shutdown_limit=SHUTDOWN_LIMIT):
            while not listener.was_removed:  # noqa: ASYNC110 - the system does not report it
                await asyncio.sleep(CHECK_INTERVAL)
    listener.close()


async def _first_client(listener: ControlListener) -> bool:
    """Wait for a client and return True, or False if the socket's file was removed."""
    assert listener.socket is not None, "it is open"
    listener.socket.setblocking(False)
    came = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(listener.socket, came.set)
    try:
        while not listener.was_removed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_INTERVAL):
                    await came.wait()
                    return True
        return False
    finally:
        loop.remove_reader(listener.socket)


async def _open_with_retry(listener: ControlListener) -> None:
    """Listen as soon as the directory is writable; log only the first failure."""
    logged = False
    while True:
        try:
            return listener.open()
        except (OSError, MemoryError) as error:
            if not logged:
                reason = getattr(error, "strerror", None) or error
                _log.warning(
                    "cannot create the control socket in %s: %s; retrying", listener.path.parent, reason
                )
            logged = True
            await asyncio.sleep(LISTEN_RETRY_DELAY)


def _application(daemon: DaemonInterface, web: Any, port: ControlPort | None) -> Any:
    checks = [_with_token(web, port)] if port else []
    application = web.Application(middlewares=[limited, _errors_as_json(web), *checks])
    api = _API(daemon, web)
    application.add_routes(
        [
            web.get(f"/{VERSION}/status", api.status),
            web.get(f"/{VERSION}/history", api.history),
            web.get(f"/{VERSION}/events", api.events),
            web.get("/metrics", api.metrics),
            web.get(f"/{VERSION}/metrics", api.metrics),
            web.post(f"/{VERSION}/reload", api.reload),
            web.post(f"/{VERSION}/stop", api.stop),
            web.post(f"/{VERSION}/open", api.open),
            web.post(f"/{VERSION}/close", api.close),
        ]
    )
    return application


class _API:
    """Request handlers, one method for each path."""

    def __init__(self, daemon: DaemonInterface, web: Any) -> None:
        self._daemon = daemon
        self._web = web

    async def status(self, _: web.Request) -> web.Response:
        return self._answer(self._daemon.status())

    async def history(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", "1000")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MAX_HISTORY):
            raise self._web.HTTPBadRequest(text=f"limit must be a number from 1 to {MAX_HISTORY}")
        try:
            return self._answer(self._daemon.history(int(limit)))
        except StoreError as error:
            raise self._web.HTTPInternalServerError(text=str(error)) from error

    async def metrics(self, _: web.Request) -> web.Response:
        page = await self._daemon.metrics()
        if page is None:
            raise self._web.HTTPNotFound(text="no plugin provides metrics")
        response: web.Response = self._web.Response(
            body=page.body, headers={"Content-Type": page.content_type}
        )
        return response

    async def reload(self, _: web.Request) -> web.Response:
        try:
            return self._answer({"reloading": True, **await self._daemon.reload_and_wait()})
        except UsageError as error:
            raise self._web.HTTPBadRequest(text=str(error)) from error

    async def stop(self, _: web.Request) -> web.Response:
        # Answer first: the daemon closes this connection when it stops.
        asyncio.get_running_loop().call_soon(self._daemon.stop)
        return self._answer({"stopping": True})

    async def open(self, request: web.Request) -> web.Response:
        return await self._handle(self._daemon.open, request)

    async def close(self, request: web.Request) -> web.Response:
        return await self._handle(self._daemon.close, request)

    async def _handle(self, handler: RequestHandler, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(BODY_LIMIT):
                document = json.loads(await request.read())
            records = document["mappings"]
        except (ValueError, TypeError, KeyError, RecursionError, TimeoutError):
            raise self._web.HTTPBadRequest(text='the body must be {"mappings": [...]}') from None
        try:
            return self._answer(await handler(records))
        except UsageError as error:
            raise self._web.HTTPBadRequest(text=str(error)) from error

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream each event as one line of JSON."""
        response: web.StreamResponse = self._web.StreamResponse(
            headers={"Content-Type": "application/x-ndjson"}
        )
        stream_without_limit(request)
        await response.prepare(request)
        queue: asyncio.Queue[Event] = asyncio.Queue(EVENT_QUEUE_LIMIT)
        remove_listener = self._daemon.listen(lambda event: None if queue.full() else queue.put_nowait(event))
        try:
            while not queue.full():
                line = json.dumps(event_document(await queue.get()))
                async with asyncio.timeout(BODY_LIMIT):
                    await response.write(line.encode() + b"\n")
        except (ConnectionError, TimeoutError):
            _log.debug("a client left the event stream")
        finally:
            remove_listener()
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
        except ConnectionError:
            raise  # the client left
        except Exception as error:
            _log.error("the request %s failed: %s: %s", request.path, type(error).__name__, error)
            _log.debug("the request failed", exc_info=error)
            return web.json_response({"error": "internal error; see the daemon's log"}, status=500)

    return middleware


def _with_token(web: Any, port: ControlPort) -> Any:
    @web.middleware  # type: ignore[untyped-decorator]
    async def middleware(request: web.Request, handler: Any) -> Any:
        if not port.authorizes(request.headers.get("Authorization", "")):
            raise web.HTTPUnauthorized(text=f"the token from {PORT_FILE} is missing or invalid")
        return await handler(request)

    return middleware


def _import_web() -> Any:
    """Import aiohttp; the caller uses a thread, because the import takes longer than opening a port."""
    from aiohttp import web

    return web
