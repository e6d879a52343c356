"""A fake daemon behind the real server of the HTTP API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from portmapper.api.errors import StoreError, UsageError
from portmapper.api.events import Event
from portmapper.api.metrics import MetricsPage
from portmapper.control.client import call_daemon
from portmapper.control.doctor_jobs import DoctorJobs
from portmapper.control.loopback import PORT_FILE
from portmapper.control.server import serve
from portmapper.control.unix_socket import SOCKET_NAME
from portmapper.observability.publisher import event_document

Served = Callable[..., AbstractAsyncContextManager["FakeDaemon"]]


class FakeDaemon:
    """Answers requests as a daemon does.

    Attributes:
        reloads: number of reloads so far.
        stops: number of requests to stop so far.
        listeners: the current listeners.
        page: the metrics page; None without an observer for metrics.
        store_error: raised by requests for the history.
        events: the journal.
        reasons: why it is not ready.
    """

    def __init__(self) -> None:
        self.reloads = 0
        self.stops = 0
        self.listeners: list[Callable[[Event], None]] = []
        self.page: MetricsPage | None = None
        self.store_error: StoreError | None = None
        self.events: list[Event] = []
        self.reasons: list[str] = []

    @property
    def last_event_id(self) -> int:
        """The number of events so far."""
        return len(self.events)

    def status(self) -> dict[str, Any]:
        """Return a short document."""
        return {"version": "1"}

    def not_ready(self) -> list[str]:
        """Return the reasons that the test has set."""
        return self.reasons

    def history(self, limit: int, before: int | None = None, after: int = 0) -> list[dict[str, Any]]:
        """Return the events that the test has published."""
        if self.store_error is not None:
            raise self.store_error
        numbered = [{"id": number, **event_document(event)} for number, event in enumerate(self.events, 1)]
        wanted = [event for event in numbered if after < event["id"] < (before or 10**9)]
        return wanted[-limit:]

    def publish(self, event: Event) -> None:
        """Send an event to the listeners."""
        self.events.append(event)
        for listener in tuple(self.listeners):
            listener(event)

    async def metrics(self) -> MetricsPage | None:
        """Return the page that the test has set."""
        return self.page

    async def reload_and_wait(self) -> dict[str, Any]:
        """Count the call."""
        self.reloads += 1
        return {"sources": []}

    def stop(self) -> None:
        """Count the request."""
        self.stops += 1

    async def open(self, records: object) -> dict[str, Any]:
        """Return the records, or reject them."""
        if not isinstance(records, list):
            raise UsageError("mappings must be a list")
        return {"opened": records}

    async def pause(self, records: object) -> dict[str, Any]:
        """Return the records."""
        return {"paused": records}

    async def resume(self, records: object) -> dict[str, Any]:
        """Return the records."""
        return {"resumed": records}

    async def close(self, records: object) -> dict[str, Any]:
        """Return the records."""
        return {"closed": records}

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Add a listener."""
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)


@pytest.fixture
def fake_daemon() -> FakeDaemon:
    """A fake daemon that no server serves yet."""
    return FakeDaemon()


@pytest.fixture
def served() -> Served:
    """Serve a fake daemon in a state directory inside a block."""

    @asynccontextmanager
    async def served(directory: Path, *, loopback: bool = False) -> AsyncIterator[FakeDaemon]:
        daemon = FakeDaemon()
        server = asyncio.create_task(serve(daemon, directory, loopback=loopback, jobs=DoctorJobs()))
        path = directory / (PORT_FILE if loopback else SOCKET_NAME)
        try:
            while not (path.is_file() if loopback else path.is_socket()):
                await asyncio.sleep(0.005)
            yield daemon
        finally:
            server.cancel()
            await asyncio.gather(server, return_exceptions=True)

    return served


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., Any]:
    """Send a request with the client, in a thread beside the event loop of the server."""

    async def call(path: str, method: str = "GET", body: object = None, directory: Path = tmp_path) -> Any:
        return await asyncio.to_thread(call_daemon, directory, path, method, body)

    return call
