"""Helpers of the contracts: calls with a time limit, and checks for leaked sockets and tasks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from portmapper.api.errors import PortmapperError
from portmapper.testing.subjects import Switch

LONG = 30.0
"""Seconds to wait for something on a busy machine before the test fails."""

SOON = 5.0
"""Seconds within which a canceled call must end."""

_TRACKED: ContextVar[bool] = ContextVar("tracked", default=False)

T = TypeVar("T")
E = TypeVar("E", bound=PortmapperError)


async def switch(change: Switch) -> None:
    """Call a function of a subject that changes how the other side behaves."""
    result = change()
    if result is not None:
        await result


async def outcome(call: Awaitable[T], error: type[E], limit: float = LONG) -> T | E:
    """Return the result of a call, or the error of type `error` that it raised.

    Raises:
        AssertionError: the call took longer than `limit` seconds or raised another exception.
    """
    task = asyncio.ensure_future(call)
    done, _ = await asyncio.wait([task], timeout=limit)
    if not done:
        task.cancel()
        raise AssertionError(f"the call did not end within {limit:g} s")
    try:
        return task.result()
    except error as expected:
        check_message(expected)
        return expected
    except Exception as other:
        raise AssertionError(f"the call raised {other!r}, but may only raise {error.__name__}") from other


async def cancelled(call: Awaitable[object]) -> None:
    """Start a call that never ends by itself, cancel it, and assert that it ends.

    Raises:
        AssertionError: the call does not end, or does not end with `CancelledError`.
    """
    task = asyncio.ensure_future(call)
    await asyncio.wait([task], timeout=0.2)
    assert not task.done(), "the call ended although the other side is silent"
    task.cancel()
    await asyncio.wait([task], timeout=SOON)
    assert task.done(), f"the call did not end within {SOON:g} s after it was canceled"
    assert task.cancelled(), "a canceled call must end with CancelledError"


@asynccontextmanager
async def leaving_nothing() -> AsyncIterator[None]:
    """Assert that the block leaves no file descriptor (socket, file, pipe) open and no task running.

    Waits for what is closed a little later. Tasks of the other side, which usually runs in the same event
    loop, do not count.

    Raises:
        AssertionError: a descriptor is left open or a task is left running.
    """
    descriptors = open_descriptors()
    with _tracking_tasks() as started:
        yield
    await until(lambda: all(task.done() for task in started), "a task is left running")
    await until(lambda: open_descriptors() <= descriptors, "a socket or file is left open")


@contextmanager
def _tracking_tasks() -> Iterator[list[asyncio.Task[Any]]]:
    """Yield a list of the tasks that the block starts.

    Only these inherit the context variable that the block sets. Tasks of a server have the context of the
    code that started the server.
    """
    loop = asyncio.get_running_loop()
    factory, started = loop.get_task_factory(), list[asyncio.Task[Any]]()

    def start(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, **options)
        if _TRACKED.get():
            started.append(task)
        return task

    token = _TRACKED.set(True)
    loop.set_task_factory(start)
    try:
        yield started
    finally:
        loop.set_task_factory(factory)
        _TRACKED.reset(token)


async def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait for a condition; raise `AssertionError` with the message `otherwise` after a time limit."""
    for _ in range(int(LONG / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(otherwise)


def open_descriptors() -> int:
    """Return the number of open file descriptors (on Windows: handles) of this process."""
    import psutil

    process = psutil.Process()
    return int(process.num_handles() if os.name == "nt" else process.num_fds())


def check_message(error: PortmapperError) -> None:
    """Assert that an error's message is one line of text."""
    assert str(error), f"{type(error).__name__} has no message"
    assert "\n" not in str(error), f"the message has more than one line: {error}"


def check_name(name: object) -> None:
    """Assert that the name of a plugin's class can be used on the command line."""
    assert isinstance(name, str), f"the name is {name!r}, not a string"
    assert name, "the name is empty"
    assert name == name.lower().strip(), f"the name {name!r} is not lower case"
    assert " " not in name, f"the name {name!r} contains a space"
