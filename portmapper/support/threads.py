"""Blocking calls beside the event loop, in threads that never hold up the end of the program.

`asyncio.to_thread` will not do for a read from a terminal or a pipe, or for a name lookup: the loop's own
pool is joined when the loop ends, and such a call can take for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    """Run `function` in a daemon thread of its own and return its result, or raise its exception.

    When the caller is cancelled, the thread is left to itself and its result is dropped.
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
            _tell(loop, lambda: finish(result, error))

    threading.Thread(target=work, daemon=True, name="portmapper call").start()
    return await future


def _tell(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        # The loop was closed since we looked: nobody waits for the result any more.
        return
