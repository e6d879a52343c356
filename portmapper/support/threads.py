"""Blocking calls in daemon threads, which never delay the exit of the program.

`asyncio.to_thread` is not suitable for a read from a terminal or a pipe, or for a name lookup: the loop joins
its thread pool when it ends, and such a call can block forever. `threading.Thread` is not suitable either:
its `start` blocks until the new thread has reported, and a thread that ends for lack of memory never does.
"""

from __future__ import annotations

import _thread
import errno
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
_Report = Callable[["asyncio.Future[T]"], None]

START_PAUSES = (0.05, 0.2, 1.0, 3.0)
"""Seconds before another attempt to start a thread, while the system has no thread or memory left."""

START_LIMIT = 5.0
"""Seconds for a new thread to begin. Without memory for a call, it ends without a word."""

LONGEST_PAUSE = 60.0
"""Seconds until a thread that works for long is looked at again."""


async def in_thread(function: Callable[[], T]) -> T:
    """Run `function` in a new daemon thread and return its result, or raise its exception.

    If the caller is canceled, the thread keeps running and its result is discarded. While no thread can
    start, this waits and tries again.

    Raises:
        OSError: no thread could start, after several attempts.
        MemoryError: the thread ended without memory for its result.
    """
    import asyncio

    for pause in START_PAUSES:
        try:
            return await _run(function)
        except _NotStarted:
            await asyncio.sleep(pause)
    return await _run(function)


async def in_thread_or_here(function: Callable[[], T]) -> T:
    """Run an import in a thread as `in_thread` does, but on the loop if no thread can start.

    That blocks the loop for less than a second, and then `status` can tell what the system lacks.
    """
    try:
        return await _run(function)
    except _NotStarted:
        return function()


class _NotStarted(OSError):
    """No thread began to work."""

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, "the system cannot start another thread")


async def _run(function: Callable[[], T]) -> T:
    import asyncio

    loop = asyncio.get_running_loop()
    call = _Call(function, loop)
    try:
        _thread.start_new_thread(call.work, ())
    except (RuntimeError, MemoryError, OSError):
        raise _NotStarted from None
    call.watch(START_LIMIT)
    try:
        return await call.result()
    finally:
        call.abandon()


class _Call(Generic[T]):
    """One call in a thread and its result."""

    def __init__(self, function: Callable[[], T], loop: asyncio.AbstractEventLoop) -> None:
        self._future: asyncio.Future[T] | None = loop.create_future()
        self._function = function
        self._loop = loop
        self._running = _thread.allocate_lock()
        self._has_begun = False
        self._has_reported = False
        self._timer: asyncio.TimerHandle | None = None

    def work(self) -> None:
        """Call the function; runs in the thread."""
        if not self._running.acquire(blocking=False):
            return  # the caller gave up, and may have started another thread
        try:
            self._has_begun = True
            self._call()
        finally:
            self._running.release()

    async def result(self) -> T:
        """Wait for the result."""
        assert self._future is not None
        return await self._future

    def watch(self, pause: float) -> None:
        """Look after `pause` seconds, and then less and less often, whether the thread has ended silently."""
        self._timer = self._loop.call_later(pause, self._look, pause)

    def abandon(self) -> None:
        """Stop watching: the result is no longer needed.

        An exception refers to the frames of this call. If this call referred to the exception, both would
        stay until the garbage collector runs, with what the function worked on, such as a document.
        """
        self._future = None
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, pause: float) -> None:
        if not self._running.acquire(blocking=False):
            self.watch(min(2 * pause, LONGEST_PAUSE))
        elif not self._has_reported:
            self._deliver(partial(_fail, MemoryError() if self._has_begun else _NotStarted()))

    def _call(self) -> None:
        try:
            result = self._function()
        except (Exception, SystemExit) as error:
            self._report(partial(_fail, error))
        else:
            self._report(lambda future: future.set_result(result))

    def _report(self, report: _Report[T]) -> None:
        if self._loop.is_closed():
            return
        try:
            self._loop.call_soon_threadsafe(self._deliver, report)
            self._has_reported = True
        except RuntimeError:
            # The loop was closed after the check. No caller waits for the result any longer.
            return

    def _deliver(self, report: _Report[T]) -> None:
        if self._future is not None and not self._future.done():
            report(self._future)


def _fail(error: BaseException, future: asyncio.Future[T]) -> None:
    future.set_exception(error if isinstance(error, Exception) else RuntimeError("it tried to exit"))
