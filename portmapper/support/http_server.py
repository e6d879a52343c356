"""An aiohttp server with limits, for the TCP listener and for plugins that listen."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from portmapper.support.connection_guard import ClientLog, ConnectionGuard, guard_of

KEEP_ALIVE = 5.0
"""Seconds that an idle connection stays open after an answer."""

Malformed = Callable[[int], Any]
"""Makes the response for a status."""

Listen = Callable[..., Awaitable[Any]]
"""Serves connections with the protocols of a factory, and returns an object with `close`."""

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def http_server(
    web: Any,
    application: Any,
    *,
    shutdown_limit: float,
    guard: Callable[[Callable[[], Any]], ConnectionGuard] = ConnectionGuard,
    listen: Listen | None = None,
    malformed: Malformed | None = None,
    **where: Any,
) -> AsyncIterator[None]:
    """Serve an application inside the context, within the limits of `connection_guard`.

    Args:
        web: the module `aiohttp.web`, which the caller imports in a thread.
        application: the application; its middlewares must include `limited`.
        shutdown_limit: seconds that running requests have to finish.
        guard: makes the guard of the server's protocols.
        listen: used instead of `loop.create_server`.
        malformed: makes the answer to a request that is not valid HTTP; None for a short text.
        where: `sock`, or `host` and `port`, as for `loop.create_server`.

    Raises:
        OSError: the address cannot be used.
    """
    runner = web.AppRunner(
        application,
        access_log=None,
        shutdown_timeout=shutdown_limit,
        keepalive_timeout=KEEP_ALIVE,
        handler_cancellation=True,
        logger=ClientLog(_log),
    )
    await runner.setup()
    try:
        create = listen or asyncio.get_running_loop().create_server
        # aiohttp's own answer quotes the request, and may be four times as long.
        factory = _answering(runner.server, malformed or partial(_short, web))
        server = await create(guard(factory), **where)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()


def _short(web: Any, status: int) -> Any:
    return web.Response(status=status, text=f"{status} {HTTPStatus(status).phrase}\n")


def _answering(factory: Any, malformed: Malformed) -> Callable[[], Any]:
    """Let the protocols of a server answer what is not valid HTTP with `malformed`."""
    kind: Any = type(factory())

    class Handler(kind):  # type: ignore[misc]
        __slots__ = ()

        def handle_error(self, request: Any, status: int = 500, *_: Any, **__: Any) -> Any:
            """Answer and close the connection."""
            response = malformed(status)
            response.force_close()
            return response

    def create() -> Any:
        # aiohttp has no parameter for the class of its protocol.
        protocol = factory()
        protocol.__class__ = Handler
        return protocol

    return create


async def _limited(request: Any, handler: Any) -> Any:
    """Limit the time of each request (an aiohttp middleware)."""
    guard = guard_of(request.transport)
    if guard is None:
        return await handler(request)
    guard.begin_request()
    try:
        return await handler(request)
    finally:
        guard.end_request()


# What `aiohttp.web.middleware` does, without importing aiohttp.
_limited.__middleware_version__ = 1  # type: ignore[attr-defined]
limited = _limited


def stream_without_limit(request: Any) -> None:
    """Let the answer to a request take any time."""
    guard = guard_of(request.transport)
    if guard is not None:
        guard.begin_stream()
