"""Blocking calls beside the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from portmapper.support.threads import in_thread


def fail() -> None:
    """Raise what the caller has to see."""
    raise ValueError("why")


async def test_the_result_comes_back() -> None:
    """From another thread, one that does not hold up the exit."""
    thread = await in_thread(threading.current_thread)
    assert thread is not threading.current_thread()
    assert thread.daemon


async def test_an_exception_comes_back() -> None:
    """As it was raised."""
    with pytest.raises(ValueError, match="why"):
        await in_thread(fail)


async def test_a_cancelled_caller_leaves_the_call_to_itself() -> None:
    """The call ends later, and its result goes nowhere."""
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
