"""Event publisher: sends each event to the journal, the log and the observers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import attrs

from portmapper.api.errors import PluginFault, PortmapperError
from portmapper.api.events import Event, EventKind, Observer
from portmapper.pluginhost import guard
from portmapper.pluginhost.faults import record_fault
from portmapper.store.interface import LeaseStore
from portmapper.support.secrets import mask_urls
from portmapper.support.wording import event_text

QUEUE_LIMIT = 1000
"""Events that may wait for a slow observer before the oldest are dropped."""

LONGEST_TURN = 0.01
"""Seconds for which an observer may deal with one event after another, before other work has its turn."""

_log = logging.getLogger("portmapper")
_WARNINGS = {EventKind.FAILED, EventKind.CONFLICT, EventKind.LOST, EventKind.GATEWAY_LOST}


class EventPublisher:
    """Sends each event to everyone, and never waits for a slow or faulty observer."""

    def __init__(self, store: LeaseStore, observers: Iterable[Observer] = ()) -> None:
        self._store = store
        self._queues = [_ObserverQueue(observer) for observer in observers]
        self._closing: set[asyncio.Task[None]] = set()
        self._listeners: set[Callable[[Event], None]] = set()

    @property
    def observers(self) -> list[Observer]:
        """The observers that receive events."""
        return [queue.observer for queue in self._queues]

    @property
    def dropped(self) -> dict[str, int]:
        """The number of dropped events for each observer."""
        return {queue.observer.name: queue.dropped for queue in self._queues}

    def start(self) -> None:
        """Start to deliver events to the observers."""
        for queue in self._queues:
            queue.start()

    def set_observers(self, observers: Sequence[Observer]) -> None:
        """Replace the observers: keep those that are in both lists, and close those that were removed."""
        before = {queue.observer: queue for queue in self._queues}
        self._queues = [before.get(observer) or _ObserverQueue(observer) for observer in observers]
        self.start()
        for queue in set(before.values()) - set(self._queues):
            task = asyncio.create_task(queue.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def publish(self, event: Event) -> None:
        """Record one event and send it to everyone; return immediately."""
        if event.detail and (detail := mask_urls(event.detail)) != event.detail:
            event = attrs.evolve(event, detail=detail)
        self._store.record(event)
        level = logging.WARNING if event.kind in _WARNINGS else logging.INFO
        if _log.isEnabledFor(level):
            _log.log(level, "%s", event_line(event), extra={"portmapper_event": event})
        for queue in self._queues:
            queue.put(event)
        for listener in tuple(self._listeners):
            listener(event)

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each event from now on; return a function that removes the listener."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def close(self) -> None:
        """Let the observers finish, within their time limits."""
        await asyncio.gather(*(queue.close() for queue in self._queues), *self._closing)


class _ObserverQueue:
    """One observer with its own queue and task.

    Attributes:
        observer: the observer that receives the events.
        dropped: the number of events that it was too slow for.
    """

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self.dropped = 0
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE_LIMIT + 1)
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def put(self, event: Event) -> None:
        if self._queue.qsize() >= QUEUE_LIMIT:
            self._queue.get_nowait()
            self.dropped += 1
            record_fault(self._plugin, "it is slow: events were dropped")
        self._queue.put_nowait(event)
        if self._task is not None and self._task.done() and not self._is_closing:
            record_fault(self._plugin, "it canceled its own task")
            self._task = asyncio.create_task(self._deliver())

    async def close(self) -> None:
        self._is_closing = True
        self._queue.put_nowait(None)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=self.observer.end_limit)
            if not self._task.done():
                record_fault(self._plugin, "it did not finish in time")
                self._queue = asyncio.Queue()  # if it ignores its cancellation, it gets no more events
                self._queue.put_nowait(None)
                self._task.cancel()
                await asyncio.wait([self._task], timeout=guard.CLEAN_UP_LIMIT)
        await guard.close(self._plugin, self.observer, self.observer.end_limit)

    @property
    def _plugin(self) -> str:
        return f"observer:{self.observer.name}"

    async def _run(self) -> None:
        await self._run_guarded(self.observer.start())
        await self._deliver()

    async def _deliver(self) -> None:
        began = time.monotonic()
        while (event := await self._queue.get()) is not None:
            await self._run_guarded(self.observer.observe(event))
            if time.monotonic() - began > LONGEST_TURN:
                await asyncio.sleep(0)
                began = time.monotonic()

    async def _run_guarded(self, call: Awaitable[None]) -> None:
        try:
            # Not in a task of its own: thousands of events may come at once, faster than tasks take turns.
            await guard.contained(self._plugin, call)
        except PluginFault:
            return  # the guard recorded the fault
        except PortmapperError as error:
            record_fault(self._plugin, str(error))


def event_line(event: Event) -> str:
    """Return an event as one line of text, with the words of `history`."""
    wanted = event.external_port or event.wanted_external_port
    return event_text({**event_document(event), "external_port": wanted})


def event_document(event: Event) -> dict[str, Any]:
    """Return an event as a JSON object of `history`."""
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
