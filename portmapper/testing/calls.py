"""How contracts call a plugin: within a limit, and with an eye on what it leaves behind."""

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
"""Seconds that anything may take on a busy machine before it counts as never."""

SOON = 5.0
"""Seconds after its cancellation in which a call has to have ended."""

_NOTED: ContextVar[bool] = ContextVar("noted", default=False)

T = TypeVar("T")
E = TypeVar("E", bound=PortmapperError)


async def switch(change: Switch) -> None:
    """Change how the other side behaves."""
    waiting = change()
    if waiting is not None:
        await waiting


async def outcome(call: Awaitable[T], error: type[E], limit: float = LONG) -> T | E:
    """Return what a call brought, or the error of that kind that it raised.

    Raises:
        AssertionError: it took longer than `limit` seconds, or raised something else.
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
        raise AssertionError(f"it raised {other!r}, and may only raise {error.__name__}") from other


async def cancelled(call: Awaitable[object]) -> None:
    """Begin a call that never ends by itself, cancel it, and see that it ends.

    Raises:
        AssertionError: it goes on, or ends otherwise than by its cancellation.
    """
    task = asyncio.ensure_future(call)
    await asyncio.wait([task], timeout=0.2)
    assert not task.done(), "the call ended though the other side is silent"
    task.cancel()
    await asyncio.wait([task], timeout=SOON)
    assert task.done(), f"a call that was cancelled went on for {SOON:g} s"
    assert task.cancelled(), "a call that was cancelled has to end with CancelledError"


@asynccontextmanager
async def leaving_nothing() -> AsyncIterator[None]:
    """See that the block leaves no descriptor (socket, file, pipe) open and no task running.

    Tasks of the other side, which mostly lives on the same event loop, do not count.

    Raises:
        AssertionError: it does; what is closed a little later is waited for.
    """
    descriptors = open_descriptors()
    with _noting_tasks() as started:
        yield
    await until(lambda: all(task.done() for task in started), "a task is left running")
    await until(lambda: open_descriptors() <= descriptors, "a socket or file is left open")


@contextmanager
def _noting_tasks() -> Iterator[list[asyncio.Task[Any]]]:
    """Give the tasks that the block starts: they inherit its context, and those of a server its maker's."""
    loop = asyncio.get_running_loop()
    before, started = loop.get_task_factory(), list[asyncio.Task[Any]]()

    def start(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, **more)
        if _NOTED.get():
            started.append(task)
        return task

    token = _NOTED.set(True)
    loop.set_task_factory(start)
    try:
        yield started
    finally:
        loop.set_task_factory(before)
        _NOTED.reset(token)


async def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait for a condition. Raises `AssertionError` with these words when it never holds."""
    for _ in range(int(LONG / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(otherwise)


def open_descriptors() -> int:
    """Return how many descriptors (on Windows handles) this process has open."""
    import psutil

    process = psutil.Process()
    return int(process.num_handles() if os.name == "nt" else process.num_fds())


def check_message(error: PortmapperError) -> None:
    """See that an error's text is one line for a person."""
    assert str(error), f"{type(error).__name__} says nothing"
    assert "\n" not in str(error), f"the message has more than one line: {error}"


def check_name(name: object) -> None:
    """See that a plugin's object has a name as the command line takes it."""
    assert isinstance(name, str), f"the name is {name!r}, not a text"
    assert name, "the name is empty"
    assert name == name.lower().strip(), f"the name {name!r} is not lower case"
    assert " " not in name, f"the name {name!r} has a space"
