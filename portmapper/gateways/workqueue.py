"""Queues of work, one towards each gateway, as wide as that gateway bears."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from portmapper.api.backend import Gateway

Step = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)


class WorkQueues:
    """Runs steps in order within each gateway's width, so that a slow gateway holds up no other."""

    def __init__(self, idle: Callable[[], None]) -> None:
        """Start empty; `idle` is called whenever the last step has run."""
        self._idle = idle
        self._waiting: dict[str, deque[Step]] = {}
        self._workers: dict[str, set[asyncio.Task[None]]] = {}

    @property
    def busy(self) -> bool:
        """Tell whether any step waits or runs."""
        return any(self._workers.values())

    def submit(self, gateway: Gateway, step: Step) -> None:
        """Queue one step towards a gateway; should it raise, it is logged, and the queue goes on."""
        waiting = self._waiting.setdefault(gateway.identity, deque())
        workers = self._workers.setdefault(gateway.identity, set())
        waiting.append(step)
        # A worker that has ended is in the set until the loop's next round, and would never take the step.
        if sum(not worker.done() for worker in workers) < gateway.concurrency:
            worker = asyncio.create_task(_work(waiting))
            workers.add(worker)
            worker.add_done_callback(lambda done: self._ended(workers, done))

    async def stop(self) -> None:
        """Drop what waits, and cancel what runs."""
        for waiting in self._waiting.values():
            waiting.clear()
        running = [worker for workers in self._workers.values() for worker in workers]
        for worker in running:
            worker.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, workers: set[asyncio.Task[None]], worker: asyncio.Task[None]) -> None:
        workers.discard(worker)
        if not self.busy:
            self._idle()


async def _work(waiting: deque[Step]) -> None:
    while waiting:
        step = waiting.popleft()
        try:
            await step()
        except Exception:
            _log.exception("a step towards a gateway failed")
