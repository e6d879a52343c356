"""Order, concurrency limit and shutdown of the queue for hook calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from portmapper.api.events import Event
from portmapper_hooks import command, work_queue
from portmapper_hooks.command import CommandObserver
from portmapper_hooks.work_queue import WorkQueue, mapping_key


async def test_calls_with_the_same_key_run_in_order() -> None:
    """A later call starts only after the earlier one has finished."""
    queue, done = WorkQueue(), list[int]()

    async def call(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    for number in range(10):
        await queue.add("key", lambda number=number: call(number))
    await queue.close(30)
    assert done == list(range(10))


async def test_a_failed_call_is_logged_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    """One broken hook does not block those behind it."""
    queue, done = WorkQueue(), list[str]()

    async def fail() -> None:
        raise RuntimeError("broken")

    async def succeed() -> None:
        done.append("ran")

    await queue.add("key", fail)
    await queue.add("key", succeed)
    await queue.close(30)
    assert done == ["ran"]
    assert "hook failed: RuntimeError: broken" in caplog.text


async def test_a_full_queue_makes_the_caller_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded when hooks are slower than events."""
    monkeypatch.setattr(work_queue, "MAX_QUEUED", 1)
    queue, finish = WorkQueue(), asyncio.Event()

    async def call() -> None:
        await finish.wait()

    await queue.add("key", call)
    second = asyncio.create_task(queue.add("key", call))
    await asyncio.sleep(0)
    assert not second.done()
    finish.set()
    await second
    await queue.close(30)


async def test_concurrent_calls_are_limited(
    event: Callable[..., Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit does not depend on the number of mappings."""
    under_way, most = 0, 0

    async def run(hook: object, observed: Event) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        under_way -= 1

    monkeypatch.setattr(command, "run", run)
    observer = CommandObserver.from_table([{"on": "opened", "run": ["x"]}])
    assert observer is not None
    for port in range(50):
        await observer.observe(event(internal_port=port))
    await observer.close()
    assert most == work_queue.MAX_CONCURRENT


@pytest.mark.parametrize(
    ("count", "message"), [(1, "canceled 1 unfinished hook,"), (2, "canceled 2 unfinished hooks,")]
)
async def test_unfinished_calls_are_canceled_on_close(
    caplog: pytest.LogCaptureFixture, count: int, message: str
) -> None:
    """The daemon waits only until the limit."""
    queue = WorkQueue()
    for _ in range(count):
        await queue.add("key", lambda: asyncio.sleep(600))
    await queue.close(0.01)
    assert message in caplog.text


def test_events_of_one_mapping_share_a_key(event: Callable[..., Any]) -> None:
    """The granted port may change; the key stays the same."""
    assert mapping_key(event(8080)) == mapping_key(event(9090))
    assert mapping_key(event()) != mapping_key(event(internal_port=81))
