"""Queues the work for each gateway: as many steps at once as the gateway accepts, the most urgent first."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from portmapper.api.backend import Gateway
from portmapper.support.reasons import plain_reason
from portmapper.support.send_gate import Gate, behind

Step = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)


class Priority(enum.IntEnum):
    """The classes of work at a gateway. The value is the class's share when all classes have work.

    Attributes:
        RENEW: renew a lease that is held, or reassert one after a restart.
        REOPEN: request a mapping that was open and was lost, or one that a person waits for.
        RELEASE: close a mapping.
        OPEN: request a mapping for the first time.
        QUERY: verify a lease, or query the external address.
    """

    RENEW = 64
    REOPEN = 32
    RELEASE = 8
    OPEN = 4
    QUERY = 1


class _Class:
    """The steps of one class, and the virtual time of its next turn."""

    def __init__(self) -> None:
        self.turn = 0.0
        self.steps: deque[Step] = deque()


class _Queue:
    """The waiting steps of one gateway, by weighted fair queueing.

    A class that gets work has its turn before all classes that were served since, so a renewal overtakes
    thousands of new mappings. A busy class still leaves every other class its share, so none starves.
    """

    def __init__(self) -> None:
        self._classes: dict[Priority, _Class] = {}
        self._now = 0.0

    def __bool__(self) -> bool:
        return any(waiting.steps for waiting in self._classes.values())

    def put(self, step: Step, priority: Priority) -> None:
        waiting = self._classes.setdefault(priority, _Class())
        if not waiting.steps:
            waiting.turn = max(waiting.turn, self._now + 1 / priority)
        waiting.steps.append(step)

    def take(self) -> Step:
        ready = [(waiting.turn, -priority) for priority, waiting in self._classes.items() if waiting.steps]
        self._now, share = min(ready)
        waiting = self._classes[Priority(-share)]
        waiting.turn += 1 / -share
        return waiting.steps.popleft()

    def clear(self) -> None:
        self._classes.clear()


class WorkQueues:
    """Runs each gateway's steps within its limit, so that a slow gateway delays no other."""

    def __init__(self, idle: Callable[[], None], gate: Gate | None = None) -> None:
        """Start empty. `idle` is called whenever the last step has ended; each step is behind the gate."""
        self._idle = idle
        self._gate = gate
        self._waiting: dict[str, _Queue] = {}
        self._workers: dict[str, set[asyncio.Task[None]]] = {}

    @property
    def busy(self) -> bool:
        """Return whether any step waits or runs."""
        return any(self._workers.values())

    def submit(self, gateway: Gateway, step: Step, priority: Priority = Priority.OPEN) -> None:
        """Queue one step for a gateway. If the step raises, the error is logged and the queue continues."""
        waiting = self._waiting.setdefault(gateway.identity, _Queue())
        workers = self._workers.setdefault(gateway.identity, set())
        waiting.put(step, priority)
        # A worker that has just ended stays in the set until the loop's next cycle, and takes no more steps.
        if sum(not worker.done() for worker in workers) < gateway.concurrency:
            worker = asyncio.create_task(_work(waiting, self._gate))
            workers.add(worker)
            worker.add_done_callback(lambda done: self._ended(workers, done))

    async def stop(self) -> None:
        """Drop the waiting steps, and cancel the running ones."""
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


async def _work(waiting: _Queue, gate: Gate | None) -> None:
    with behind(gate):
        while waiting:
            step = waiting.take()
            try:
                await step()
            except Exception as error:
                _log.error("a request to a gateway failed: %s", plain_reason(error))
                _log.debug("the request failed here", exc_info=True)
