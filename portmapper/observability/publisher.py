"""Publishes events: to the store's journal, to the log in one line each, and to the observers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from portmapper.api.errors import PluginFault, PortmapperError
from portmapper.api.events import Event, EventKind, Observer
from portmapper.pluginhost import guard
from portmapper.pluginhost.faults import blame
from portmapper.store.leases import Store
from portmapper.support.text import endpoint

QUEUE_LIMIT = 1000
"""Events that a slow observer may be behind before the oldest are dropped."""

_log = logging.getLogger("portmapper")
_WARNINGS = {EventKind.FAILED, EventKind.CONFLICT, EventKind.LOST, EventKind.GATEWAY_LOST}


class EventPublisher:
    """Takes every event once and hands it on; a slow or broken observer holds nothing up."""

    def __init__(self, store: Store, observers: Iterable[Observer] = ()) -> None:
        self._store = store
        self._feeds = [_Feed(observer) for observer in observers]
        self._ending: set[asyncio.Task[None]] = set()
        self._listeners: set[Callable[[Event], None]] = set()

    @property
    def observers(self) -> list[Observer]:
        """Who is told of events."""
        return [feed.observer for feed in self._feeds]

    @property
    def dropped(self) -> dict[str, int]:
        """How many events each observer was too slow for."""
        return {feed.observer.name: feed.dropped for feed in self._feeds}

    def start(self) -> None:
        """Begin to hand events to the observers."""
        for feed in self._feeds:
            feed.start()

    def tell(self, observers: Sequence[Observer]) -> None:
        """Tell these from now on; those that are not among them any more are ended."""
        before = {feed.observer: feed for feed in self._feeds}
        self._feeds = [before.get(observer) or _Feed(observer) for observer in observers]
        self.start()
        for feed in set(before.values()) - set(self._feeds):
            task = asyncio.create_task(feed.close())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def publish(self, event: Event) -> None:
        """Write one event down and tell everyone; returns at once."""
        self._store.record(event)
        level = logging.WARNING if event.kind in _WARNINGS else logging.INFO
        _log.log(level, "%s", one_line(event), extra={"portmapper_event": event})
        for feed in self._feeds:
            feed.put(event)
        for listener in tuple(self._listeners):
            listener(event)

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event from now on; returns what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def close(self) -> None:
        """Let the observers finish, within their bound."""
        await asyncio.gather(*(feed.close() for feed in self._feeds), *self._ending)


class _Feed:
    """One observer with its own queue and task.

    Attributes:
        observer: whom it tells.
        dropped: events that it was too slow for.
    """

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self.dropped = 0
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE_LIMIT + 1)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._feed())

    def put(self, event: Event) -> None:
        if self._queue.qsize() >= QUEUE_LIMIT:
            self._queue.get_nowait()
            self.dropped += 1
            blame(self._plugin, "it is slow: events were dropped")
        self._queue.put_nowait(event)

    async def close(self) -> None:
        self._queue.put_nowait(None)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=self.observer.end_limit)
            if not self._task.done():
                blame(self._plugin, "it did not finish in time")
                self._task.cancel()
                await asyncio.wait([self._task], timeout=guard.CLEAN_UP_LIMIT)
        await guard.close(self._plugin, self.observer, self.observer.end_limit)

    @property
    def _plugin(self) -> str:
        return f"observer:{self.observer.name}"

    async def _feed(self) -> None:
        await self._guarded(self.observer.start())
        while (event := await self._queue.get()) is not None:
            await self._guarded(self.observer.observe(event))

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await guard.in_time(self._plugin, work, None)
        except PluginFault:
            return  # it was noted
        except PortmapperError as error:
            blame(self._plugin, str(error))


def one_line(event: Event) -> str:
    """Say an event in one line for a person."""
    words = [event.kind.value.replace("_", " ")]
    if event.protocol is not None:
        port = event.external_port or event.wanted_external_port
        inside = endpoint(event.internal_address, event.internal_port)
        words.append(f"{event.protocol} {endpoint(event.external_address, port)} -> {inside}")
    if event.backend:
        words.append(f"by {event.backend} at {event.gateway}" if event.gateway else f"by {event.backend}")
    if event.detail:
        words.append(f"({event.detail})")
    return " ".join(words)


def event_document(event: Event) -> dict[str, Any]:
    """Return an event as the contract's `history` has it."""
    return {
        "at": event.at.isoformat(),
        "event": event.kind.value,
        "protocol": event.protocol,
        "external_port": event.external_port,
        "internal_address": str(event.internal_address) if event.internal_address else None,
        "internal_port": event.internal_port,
        "backend": event.backend,
        "gateway": event.gateway,
        "detail": event.detail,
    }
