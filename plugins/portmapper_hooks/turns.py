"""Work that takes long, a few pieces at once, and that of one mapping one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable

from portmapper.api import Event

AT_ONCE = 4
"""Pieces of work under way."""

MAX_WAITING = 1000
"""Pieces that wait; who brings another one waits, too."""

Work = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)


def mapping_of(event: Event) -> Hashable:
    """Return what events of one mapping have in common."""
    return event.protocol, event.family, event.wanted_external_port, event.internal_port


class Turns:
    """Runs work in turns. It is cancelled at the end, if it does not finish in time."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._waiting: dict[Hashable, deque[Work]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, key: Hashable, work: Work) -> None:
        """Have it done after all that was added under the same key; returns once there is room for it."""
        await self._room.acquire()
        if key in self._waiting:
            self._waiting[key].append(work)
            return
        self._waiting[key] = deque([work])
        task = asyncio.create_task(self._work(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, limit: float) -> None:
        """Finish what was added; after `limit` seconds the rest is cancelled, and told."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit)
        left = sum(len(works) for works in self._waiting.values())
        if left:
            _log.warning("%d hook(s) are given up, as the program ends", left)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, key: Hashable) -> None:
        works = self._waiting[key]
        while works:
            async with self._slots:
                try:
                    await works[0]()
                except Exception as error:
                    _log.warning("a hook failed: %s: %s", type(error).__name__, error)
            works.popleft()
            self._room.release()
        del self._waiting[key]
