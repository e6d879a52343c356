"""Blocking calls in daemon threads, which never delay the exit of the program.

`asyncio.to_thread` is not suitable for a read from a terminal or a pipe, or for a name lookup: the loop joins
its thread pool when it ends, and such a call can block forever. `threading.Thread` is not suitable either:
its `start` blocks until the new thread has reported, and a thread that ends for lack of memory never does.
"""

from __future__ import annotations

import _thread
import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

START_PAUSES = (0.05, 0.2, 1.0, 3.0)
"""Seconds before another attempt to start a thread, while the system has no thread or memory left."""

START_LIMIT = 5.0
"""Seconds for a new thread to begin. Without memory for its first call, it ends without a word."""


async def in_thread(function: Callable[[], T]) -> T:
    """Run `function` in a new daemon thread and return its result, or raise its exception.

    If the caller is canceled, the thread keeps running and its result is discarded. While no thread can
    start, this waits and tries again.

    Raises:
        OSError: no thread could start, after several attempts.
    """
    import asyncio

    for pause in START_PAUSES:
        try:
            return await _run(function)
        except _NotStarted:
            await asyncio.sleep(pause)
    return await _run(function)


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
    watch = loop.call_later(START_LIMIT, call.give_up)
    try:
        return await call.future
    finally:
        watch.cancel()


class _Call(Generic[T]):
    """One call in a thread and its result."""

    def __init__(self, function: Callable[[], T], loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[T] = loop.create_future()
        self._function = function
        self._loop = loop
        self._lock = _thread.allocate_lock()

    def work(self) -> None:
        """Call the function; runs in the thread."""
        if not self._lock.acquire(blocking=False):
            return  # the caller gave up, and may have started another thread
        try:
            result = self._function()
        except (Exception, SystemExit) as error:
            caught = error if isinstance(error, Exception) else RuntimeError("it tried to exit")
            self._report(lambda: self.future.set_exception(caught))
        else:
            self._report(lambda: self.future.set_result(result))

    def give_up(self) -> None:
        """Fail if the thread has not begun yet."""
        if self._lock.acquire(blocking=False) and not self.future.done():
            self.future.set_exception(_NotStarted())

    def _report(self, report: Callable[[], None]) -> None:
        if self._loop.is_closed():
            return
        try:
            self._loop.call_soon_threadsafe(lambda: None if self.future.done() else report())
        except RuntimeError:
            # The loop was closed after the check. No caller waits for the result any longer.
            return
