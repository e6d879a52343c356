"""The border to plugins: whatever a call of theirs does, it ends in time and with a known error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

from portmapper.api.errors import PluginFault, PortmapperError
from portmapper.pluginhost.faults import FAULTS, record_fault

CLEAN_UP_LIMIT = 1.0
"""Seconds that a call which was cancelled has for its end, before it is left to itself."""

CLOSE_LIMIT = 2.0
"""Seconds that closing one thing may take."""

T = TypeVar("T")


class Closable(Protocol):
    """What is closed: a gateway, a backend, a source, an observer."""

    async def close(self) -> None:
        """Free what is open."""


async def run(plugin: str, call: Awaitable[T], limit: float | None) -> T:
    """Await a plugin's call for at most `limit` seconds, None being for ever; `plugin` is its `kind:name`.

    The call runs in a task of its own: one that ignores its cancellation is left to itself.

    Raises:
        PortmapperError: what the plugin raised on purpose.
        PluginFault: it raised anything else.
        TimeoutError: it took longer.
    """
    task = asyncio.ensure_future(_contained(plugin, call))
    # At once: whoever asks may be cancelled in the moment in which it fails.
    task.add_done_callback(_look_at)
    try:
        await asyncio.wait([task], timeout=limit)
    finally:
        if not task.done():
            await _given_up(task)
    if not task.done() or task.cancelled():
        FAULTS.record(plugin, f"a call took longer than {limit:g} s")
        raise TimeoutError(f"no answer within {limit:g} s")
    return task.result()


async def close(plugin: str, closable: Closable, limit: float = CLOSE_LIMIT) -> None:
    """Close something of a plugin's within `limit` seconds, whatever it does meanwhile."""
    try:
        await run(plugin, closable.close(), limit)
    except PluginFault:
        return  # it was noted
    except (PortmapperError, TimeoutError) as error:
        FAULTS.record(plugin, f"cannot be closed: {error}")


async def _contained(plugin: str, call: Awaitable[T]) -> T:
    """Turn what no plugin has to raise into its fault: an exit, a cancellation that nobody asked for."""
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


async def _given_up(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.wait([task], timeout=CLEAN_UP_LIMIT)


def _look_at(task: asyncio.Future[Any]) -> None:
    """Take note of how it ended, or the loop complains that nobody did."""
    if not task.cancelled():
        task.exception()
