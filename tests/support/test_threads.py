"""Blocking calls in daemon threads."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from references import until_gone

from portmapper.support import threads
from portmapper.support.threads import in_thread, in_thread_or_here


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


class Document:
    """What a call works on."""


@pytest.fixture
def start() -> Callable[..., int]:
    """Start threads, and wait until each of them works: it may have to wait for a processor."""
    start = threads._thread.start_new_thread

    def start_and_wait(call: Any, arguments: tuple[()]) -> int:
        identifier = start(call, arguments)
        while not call.__self__._has_begun:
            time.sleep(0.001)
        return identifier

    return start_and_wait


async def test_a_handled_exception_keeps_nothing_in_memory() -> None:
    """Not until the garbage collector runs either, which is seldom in the daemon."""
    remembered: list[weakref.ref[Document]] = []

    def refuse() -> None:
        document = Document()
        remembered.append(weakref.ref(document))
        raise ValueError("refused")

    gc.disable()
    try:
        for run in (in_thread, in_thread_or_here):
            with pytest.raises(ValueError, match="refused") as caught:
                await run(refuse)
            assert remembered[-1]() is not None, "the traceback should still show the function"
            del caught
            await until_gone(remembered[-1])
    finally:
        gc.enable()


async def test_a_canceled_caller_abandons_the_call() -> None:
    """The call ends later, and its result is discarded."""
    begun, going = threading.Event(), threading.Event()
    called = threading.Event()

    def wait() -> None:
        begun.set()
        going.wait(60)
        called.set()

    task = asyncio.create_task(in_thread(wait))
    while not begun.is_set():
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    going.set()
    assert called.wait(60)
    await asyncio.sleep(0)


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
async def test_a_thread_that_cannot_start_is_started_later(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """As soon as the system has room for it."""
    start, failures = threads._thread.start_new_thread, [error, error]

    def starve(*arguments: Any) -> int:
        if failures:
            raise failures.pop()
        return start(*arguments)

    monkeypatch.setattr(threads, "START_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(threads._thread, "start_new_thread", starve)
    assert await in_thread(lambda: "result") == "result"


async def test_a_system_without_threads_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a bounded time."""

    def starve(*_: Any) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "START_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(threads._thread, "start_new_thread", starve)
    with pytest.raises(OSError, match="cannot start another thread"):
        await in_thread(lambda: "result")


async def test_an_import_runs_on_the_loop_if_no_thread_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise `status` could not tell that the system has no threads left."""

    def starve(*_: Any) -> int:
        raise RuntimeError("can't start new thread")

    assert await in_thread_or_here(threading.current_thread) is not threading.current_thread()
    monkeypatch.setattr(threads._thread, "start_new_thread", starve)
    assert await in_thread_or_here(threading.current_thread) is threading.current_thread()


async def test_a_thread_that_ends_before_it_begins_is_started_again(
    monkeypatch: pytest.MonkeyPatch, start: Callable[..., int]
) -> None:
    """The loop never waits for it without a bound."""
    lost = [True]

    def lose(*arguments: Any) -> int:
        return 1 if lost and lost.pop() else start(*arguments)

    monkeypatch.setattr(threads, "START_PAUSES", (0.0,))
    monkeypatch.setattr(threads, "START_LIMIT", 0.01)
    monkeypatch.setattr(threads._thread, "start_new_thread", lose)
    assert await in_thread(lambda: "result") == "result"


async def test_an_exit_in_a_thread_is_an_error_of_the_caller() -> None:
    """Otherwise the caller would wait forever."""
    with pytest.raises(RuntimeError, match="exit"):
        await in_thread(lambda: sys.exit(3))


async def test_a_thread_that_ends_without_memory_for_its_result_is_an_error(
    monkeypatch: pytest.MonkeyPatch, start: Callable[..., int]
) -> None:
    """The function may have run, so it is not called again."""
    calls: list[str] = []

    def ending(call: Any, _: Any) -> int:
        monkeypatch.setattr(call.__self__, "_report", lambda _: None)
        return start(call, ())

    monkeypatch.setattr(threads, "START_LIMIT", 0.01)
    monkeypatch.setattr(threads._thread, "start_new_thread", ending)
    with pytest.raises(MemoryError):
        await in_thread(lambda: calls.append("called"))
    assert calls == ["called"]


async def test_a_call_that_takes_long_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, start: Callable[..., int]
) -> None:
    """It is looked at several times meanwhile."""
    looks, going = [0], threading.Event()
    look = threads._Call._look

    def counted(call: Any, pause: float) -> None:
        looks[0] += 1
        if looks[0] == 3:
            going.set()
        look(call, pause)

    monkeypatch.setattr(threads, "START_LIMIT", 0.01)
    monkeypatch.setattr(threads._Call, "_look", counted)
    monkeypatch.setattr(threads._thread, "start_new_thread", start)
    assert await in_thread(lambda: going.wait(60))
