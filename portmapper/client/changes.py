"""Delivers the events of a lease: to its callback, and to those who iterate over its changes."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import AsyncIterator, Callable

from portmapper.api.events import Event

QUEUE_LIMIT = 1000
"""Events that may wait for a slow reader before the oldest are dropped."""

END_LIMIT = 5.0
"""Seconds that a callback has to handle the last events when the client ends."""

_log = logging.getLogger("portmapper.client")


class Changes:
    """The events of one lease. All methods run on the client's event loop."""

    def __init__(self, name: str, callback: Callable[[Event], object] | None) -> None:
        """Start to deliver; the callback gets one event at a time, and may be a coroutine function."""
        self._name = name
        self._is_calling = False
        self._queues: set[asyncio.Queue[Event | None]] = set()
        self._ended = False
        self._task = None if callback is None else asyncio.create_task(self._call(callback, self._queue()))

    def put(self, event: Event) -> None:
        """Deliver one event; return immediately."""
        for queue in self._queues:
            if queue.qsize() >= QUEUE_LIMIT:
                queue.get_nowait()
            queue.put_nowait(event)

    def read(self) -> AsyncIterator[Event]:
        """Return an iterator of the events from now on; it ends when the lease is closed."""
        return self._iterate(self._queue())

    def end(self) -> None:
        """Announce the end: nothing follows."""
        self._ended = True
        for queue in self._queues:
            queue.put_nowait(None)

    async def finished(self) -> None:
        """Wait until the callback handled every event, and cancel it if it takes too long."""
        if self._task is None:
            return
        await asyncio.wait([self._task], timeout=END_LIMIT)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def cancel(self) -> None:
        """End without delivering what waits."""
        self.end()
        if self._task is not None:
            self._task.cancel()

    @property
    def is_done(self) -> bool:
        """Whether everything was delivered, or is no longer needed."""
        return self._ended and (self._task is None or self._task.done())

    @property
    def is_calling(self) -> bool:
        """Whether the callback runs now; it must not wait for its own end."""
        return self._is_calling

    def _queue(self) -> asyncio.Queue[Event | None]:
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._queues.add(queue)
        if self._ended:
            queue.put_nowait(None)
        return queue

    async def _iterate(self, queue: asyncio.Queue[Event | None]) -> AsyncIterator[Event]:
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._queues.discard(queue)

    async def _call(self, callback: Callable[[Event], object], queue: asyncio.Queue[Event | None]) -> None:
        async for event in self._iterate(queue):
            self._is_calling = True
            try:
                result = callback(event)
                if inspect.isawaitable(result):
                    await result
            except Exception:  # the program's own fault, which must not end the renewals
                _log.exception("on_change of %s failed", self._name)
            finally:
                self._is_calling = False
