"""Queue for slow hook calls: a few run at once, those of one mapping run in order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable

from portmapper.api import Event
from portmapper.support.reasons import plain_reason
from portmapper.support.secrets import mask_urls

MAX_CONCURRENT = 4
"""Calls under way at the same time."""

MAX_QUEUED = 1000
"""Calls in the queue; `add` blocks when it is full."""

Call = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)


def row_key(event: Event) -> Hashable:
    """Return the key that the events of one row share, for both protocols."""
    return event.family, event.wanted_external_port, event.internal_port, event.comment, event.source


def mapping_key(event: Event) -> Hashable:
    """Return the key that all events of one mapping share."""
    return event.protocol, event.family, event.wanted_external_port, event.internal_port


class WorkQueue:
    """Runs calls in order per key; `close` cancels what does not finish in time.

    Attributes:
        slots: each call holds one while it works, but not between two attempts.
    """

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._capacity = asyncio.Semaphore(MAX_QUEUED)
        self._queued: dict[Hashable, deque[Call]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, key: Hashable, call: Call) -> None:
        """Queue a call behind all earlier ones with the same key; wait while the queue is full."""
        await self._capacity.acquire()
        if key in self._queued:
            self._queued[key].append(call)
            return
        self._queued[key] = deque([call])
        task = asyncio.create_task(self._run(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, limit: float) -> None:
        """Finish the queued calls; after `limit` seconds, cancel the rest and log a warning."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit)
        left = sum(len(calls) for calls in self._queued.values())
        if left:
            _log.warning(
                "canceled %d unfinished %s, because the daemon stops", left, "hook" if left == 1 else "hooks"
            )
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, key: Hashable) -> None:
        calls = self._queued[key]
        while calls:
            try:
                await calls[0]()
            except Exception as error:
                _log.warning("hook failed: %s", mask_urls(plain_reason(error)))
            calls.popleft()
            self._capacity.release()
        del self._queued[key]
