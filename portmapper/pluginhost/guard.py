"""Guarded calls to plugins: every call ends within its time limit and raises only known errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from portmapper.api.errors import PluginFault, PortmapperError
from portmapper.pluginhost.faults import FAULTS, record_fault

CLEAN_UP_LIMIT = 1.0
"""Seconds that a canceled call has to end before it is abandoned."""

CLOSE_LIMIT = 2.0
"""Seconds that closing one object may take."""

T = TypeVar("T")


class Closable(Protocol):
    """An object with `close`: a gateway, backend, source or observer."""

    async def close(self) -> None:
        """Free resources."""


async def run(plugin: str, call: Awaitable[T], limit: float | None) -> T:
    """Await a call to a plugin for at most `limit` seconds; `plugin` is its `kind:name`.

    None means no limit. The call runs in a separate task: one that ignores its cancellation is abandoned.

    Raises:
        PortmapperError: the plugin raised it on purpose.
        PluginFault: the plugin raised something else.
        TimeoutError: the call took longer than `limit`.
    """
    task = asyncio.create_task(contained(plugin, call))
    try:
        await _end_of(task, limit)
        in_time = task.done()
    finally:
        if not task.done():
            await _cancel(task)
    if in_time and task.cancelled():
        raise record_fault(plugin, "it canceled its own task")
    if not task.done() or task.cancelled():
        FAULTS.record(plugin, f"a call took longer than {limit:g} s")
        raise TimeoutError(f"no answer within {limit:g} s")
    try:
        return task.result()
    finally:
        # Its exception refers to this frame, so it would stay with all that it refers to, such as a document.
        del task


async def close(plugin: str, closable: Closable, limit: float = CLOSE_LIMIT) -> None:
    """Close an object of a plugin within `limit` seconds, and record any failure."""
    try:
        await run(plugin, closable.close(), limit)
    except PluginFault:
        return  # already recorded
    except (PortmapperError, TimeoutError) as error:
        FAULTS.record(plugin, f"cannot be closed: {error}")


async def contained(plugin: str, call: Awaitable[T]) -> T:
    """Await a call to a plugin in the caller's own task, without a time limit.

    An unexpected exception becomes a fault, including an exit or a cancellation by the plugin. If you cancel
    the task, wait for its end with a limit: the plugin may ignore that.
    """
    try:
        return await call
    except PortmapperError:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise record_fault(plugin, error) from error
    except (Exception, SystemExit) as error:
        raise record_fault(plugin, error) from error


def tell(plugin: str, call: Callable[[], object]) -> None:
    """Tell a plugin something that it need not answer; record whatever it raises."""
    try:
        call()
    except (Exception, SystemExit) as error:
        record_fault(plugin, error)


async def _end_of(task: asyncio.Task[Any], limit: float | None) -> None:
    """Wait at most `limit` seconds until a task has ended.

    `asyncio.wait` does the same for any number of tasks, and takes longer. This is done for each request.
    """
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    # Add this now: the caller may be canceled at the moment the task fails.
    task.add_done_callback(partial(_note_end, ended))
    timer = None if limit is None else loop.call_later(limit, _wake, ended)
    try:
        await ended
    finally:
        if timer is not None:
            timer.cancel()


async def _cancel(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.wait([task], timeout=CLEAN_UP_LIMIT)


def _note_end(ended: asyncio.Future[None], task: asyncio.Task[Any]) -> None:
    # Otherwise the loop logs "exception was never retrieved".
    if not task.cancelled():
        task.exception()
    _wake(ended)


def _wake(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
