"""Blocking calls in daemon threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

from portmapper.support.threads import in_thread


def fail() -> None:
    """Raise an error for the caller."""
    raise ValueError("why")


async def test_the_result_is_returned() -> None:
    """The call runs in another thread, which does not delay the exit."""
    thread = await in_thread(threading.current_thread)
    assert thread is not threading.current_thread()
    assert thread.daemon


async def test_an_exception_is_raised_in_the_caller() -> None:
    """Unchanged."""
    with pytest.raises(ValueError, match="why"):
        await in_thread(fail)


async def test_a_canceled_caller_abandons_the_call() -> None:
    """The call ends later, and its result is discarded."""
    begun, going = threading.Event(), threading.Event()
    called = threading.Event()

    def wait() -> None:
        begun.set()
        going.wait(5)
        called.set()

    task = asyncio.create_task(in_thread(wait))
    while not begun.is_set():
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    going.set()
    assert called.wait(5)
    await asyncio.sleep(0)
