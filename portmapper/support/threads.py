"""Blocking calls in daemon threads, which never delay the exit of the program.

`asyncio.to_thread` is not suitable for a read from a terminal or a pipe, or for a name lookup: the loop joins
its thread pool when it ends, and such a call can block forever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    """Run `function` in a new daemon thread and return its result, or raise its exception.

    If the caller is canceled, the thread keeps running and its result is discarded.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def finish(result: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except Exception as caught:
            error = caught
        if not loop.is_closed():
            _call_soon(loop, lambda: finish(result, error))

    threading.Thread(target=work, daemon=True, name="portmapper call").start()
    return await future


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        # The loop was closed after the check. No caller waits for the result any longer.
        return
