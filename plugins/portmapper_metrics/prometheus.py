"""Observer that serves metrics on the control socket and, if configured, on a TCP port."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from portmapper.api import Observer, ShowsMetrics
from portmapper.support.threads import in_thread_or_here

if TYPE_CHECKING:
    from aiohttp import web

    from portmapper.api import Event, Metrics, MetricsPage
    from portmapper_metrics.settings import MetricsSettings

_log = logging.getLogger(__name__)


class PrometheusObserver(Observer, ShowsMetrics):
    """Counts events, and returns all metrics as a page."""

    name = "prometheus"
    table = "metrics"

    def __init__(self, settings: MetricsSettings | None = None) -> None:
        self._settings = settings
        self._events: Counter[str] = Counter()
        self._measure: Callable[[], Metrics] | None = None
        self._server = contextlib.AsyncExitStack()

    @classmethod
    def from_table(cls, value: object) -> Self:
        """Return an observer; without a `[metrics]` table it serves the control socket only."""
        if value is None:
            return cls()
        from portmapper.api import structure
        from portmapper_metrics.settings import MetricsSettings

        return cls(structure(MetricsSettings, value, (cls.table,)))

    def attach(self, measure: Callable[[], Metrics]) -> None:
        """Set the function that returns the daemon's current metrics."""
        self._measure = measure

    async def start(self) -> None:
        """Listen on the configured port; if that fails, log a warning and continue."""
        if self._settings is None or self._settings.listen is None:
            return
        from portmapper.support.allowed_hosts import host_check
        from portmapper.support.http_server import http_server, limited

        host, port = self._settings.listen
        web = await in_thread_or_here(_import_web)
        application = web.Application(middlewares=[limited, host_check(web, self._settings.hosts)])
        application.add_routes([web.get("/metrics", self._answer)])
        server = http_server(web, application, shutdown_limit=0.5, host=host, port=port, reuse_address=True)
        try:
            await self._server.enter_async_context(server)
        except OSError as error:
            _log.warning("cannot serve metrics at %s port %d: %s", host, port, error.strerror or error)

    async def observe(self, event: Event) -> None:
        """Count the event by kind."""
        self._events[event.kind.value] += 1

    async def close(self) -> None:
        """Stop listening."""
        await self._server.aclose()

    async def page(self) -> MetricsPage:
        """Return all metrics in the Prometheus text format."""
        assert self._measure is not None, "the host calls `attach` before it requests a page"
        from portmapper.api import MetricsPage

        text = await in_thread_or_here(_import_text)
        body: bytes = text.text_of(self._measure(), self._events)
        return MetricsPage(text.CONTENT_TYPE, body)

    async def _answer(self, _: web.Request) -> web.Response:
        from aiohttp import web

        page = await self.page()
        return web.Response(body=page.body, headers={"Content-Type": page.content_type})


def _import_web() -> Any:
    """Import aiohttp in a thread, because the import would block the event loop."""
    from aiohttp import web

    return web


def _import_text() -> Any:
    """Import the Prometheus library in a thread, when the page is first requested."""
    from portmapper_metrics import text

    return text
