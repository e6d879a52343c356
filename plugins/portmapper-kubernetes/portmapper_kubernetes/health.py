"""Serves `/healthz`, `/readyz` and `/metrics` on a TCP port."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from portmapper.api import Guard, MetricsPage
from portmapper.support.allowed_hosts import host_check
from portmapper.support.http_server import http_server, limited
from portmapper.support.threads import in_thread
from portmapper_kubernetes.controller import Controller

if TYPE_CHECKING:
    from aiohttp import web

_log = logging.getLogger(__name__)


class HealthServer:
    """Answers probes. A follower is ready as soon as it knows the objects."""

    def __init__(
        self, controller: Controller, guard: Guard | None, page: Callable[[], Awaitable[MetricsPage]]
    ) -> None:
        self._controller = controller
        self._guard = guard
        self._page = page
        self._server = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Listen; if that fails, log an error and go on: probes will fail, but ports stay open."""
        if self._controller.settings.health is None:
            return
        host, port = self._controller.settings.health
        web = await in_thread(_import_web)
        application = web.Application(middlewares=[limited, host_check(web)])
        application.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        server = http_server(web, application, shutdown_limit=0.5, host=host, port=port, reuse_address=True)
        try:
            await self._server.enter_async_context(server)
        except OSError as error:
            _log.error("cannot serve health checks at %s port %d: %s", host, port, error.strerror or error)

    async def close(self) -> None:
        """Stop listening."""
        await self._server.aclose()

    async def _healthz(self, _: web.Request) -> web.Response:
        is_lost = self._guard is not None and self._guard.lost.is_set()
        return _answer("leadership lost" if is_lost else "")

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer("" if self._controller.is_settled else "the objects are not known yet")

    async def _metrics(self, _: web.Request) -> web.Response:
        from aiohttp import web

        page = await self._page()
        return web.Response(body=page.body, headers={"Content-Type": page.content_type})


def _answer(problem: str) -> web.Response:
    from aiohttp import web

    return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)


def _import_web() -> Any:
    """Import aiohttp in a thread, because the import would block the event loop."""
    from aiohttp import web

    return web
