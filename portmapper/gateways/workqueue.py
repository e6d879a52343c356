"""Work queues: one per gateway, which limits the number of concurrent steps."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from portmapper.api.backend import Gateway

Step = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)


class WorkQueues:
    """Runs steps in order, up to each gateway's concurrency. A slow gateway delays no other."""

    def __init__(self, idle: Callable[[], None]) -> None:
        """Start empty; `idle` is called when the last step has run."""
        self._idle = idle
        self._waiting: dict[str, deque[Step]] = {}
        self._workers: dict[str, set[asyncio.Task[None]]] = {}

    @property
    def busy(self) -> bool:
        """Whether any step is waiting or running."""
        return any(self._workers.values())

    def submit(self, gateway: Gateway, step: Step) -> None:
        """Queue a step for a gateway. An exception in it is logged, and the queue continues."""
        waiting = self._waiting.setdefault(gateway.identity, deque())
        workers = self._workers.setdefault(gateway.identity, set())
        waiting.append(step)
        # A finished worker stays in the set until the next loop iteration and would never run the step.
        if sum(not worker.done() for worker in workers) < gateway.concurrency:
            worker = asyncio.create_task(_work(waiting))
            workers.add(worker)
            worker.add_done_callback(lambda done: self._ended(workers, done))

    async def stop(self) -> None:
        """Discard waiting steps and cancel running ones."""
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
            _log.exception("a request to a gateway failed")
