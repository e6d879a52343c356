"""Guarded calls end in time and raise only known errors."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from typing import Any

import pytest

from portmapper.api.errors import NetworkFailure, PluginFault, SourceError
from portmapper.pluginhost import guard
from portmapper.pluginhost.faults import FAULTS
from portmapper.testing.clock import FakeClock


async def test_a_call_that_fails_as_its_caller_is_canceled_logs_nothing() -> None:
    """This happens if this host loses an address while a search from it fails."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def fail() -> None:
        raise NetworkFailure("cannot search")

    caller = asyncio.create_task(guard.run("backend:x", fail(), 1.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await caller
    assert caller.cancelled()
    del caller
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def answer(value: object) -> object:
    """Return or raise the value."""
    if isinstance(value, BaseException):
        raise value
    return value


async def ignore_cancellation() -> None:
    """Keep running after one cancellation."""
    for _ in range(2):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(10_000)


async def test_a_result_and_an_error_of_the_vocabulary_pass() -> None:
    """They are no faults."""
    assert await guard.run("backend:x", answer(7), 1.0) == 7
    with pytest.raises(NetworkFailure, match="down"):
        await guard.run("backend:x", answer(NetworkFailure("down")), 1.0)
    assert FAULTS.document() == []


@pytest.mark.parametrize("error", [KeyError("a bug"), SystemExit(3), asyncio.CancelledError()])
async def test_any_other_exception_is_a_fault(error: BaseException) -> None:
    """Including an exit, and a cancellation that the caller did not request."""
    with pytest.raises(PluginFault, match="the backend x is broken"):
        await guard.run("backend:x", answer(error), 1.0)
    assert [fault["plugin"] for fault in FAULTS.document()] == ["backend:x"]


@pytest.mark.parametrize("limit", [1.0, None])
async def test_a_call_that_cancels_itself_is_a_fault(limit: float | None) -> None:
    """Libraries for time limits cancel the task that they run in. It was not too slow."""

    async def cancel_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(PluginFault, match="canceled its own task"):
        await guard.run("backend:x", cancel_itself(), limit)


async def test_a_call_that_takes_too_long_is_canceled(clock: FakeClock) -> None:
    """It is abandoned if it ignores the cancellation."""
    for call in (asyncio.sleep(10_000), ignore_cancellation()):
        task = asyncio.create_task(guard.run("backend:x", call, 5.0))
        await clock.advance(5 + 2 * guard.CLEAN_UP_LIMIT)
        with pytest.raises(TimeoutError, match="within 5 s"):
            await task
    assert FAULTS.document()[0]["error"] == "a call took longer than 5 s"


@pytest.mark.parametrize("error", [None, KeyError("a bug"), NetworkFailure("down")])
async def test_closing_never_raises(error: Exception | None) -> None:
    """A failure is recorded."""

    class Resource:
        async def close(self) -> None:
            await answer(error)

    await guard.close("source:x", Resource())
    assert bool(FAULTS.document()) is (error is not None)


async def test_a_failed_call_keeps_no_object_alive() -> None:
    """A document of 16 MiB that was refused must not stay until the garbage collector runs."""

    class Document:
        """Stands for a large object."""

    kept: list[weakref.ref[Document]] = []

    async def fail() -> None:
        document = Document()
        kept.append(weakref.ref(document))
        raise SourceError("too large")

    gc.disable()
    try:
        with contextlib.suppress(SourceError):
            await guard.run("source:x", fail(), None)
        await asyncio.sleep(0)
        assert kept[0]() is None
    finally:
        gc.enable()
