"""How many modules a request passes on its way from the scheduler to the backend."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from types import FrameType
from typing import Any

import pytest

from portmapper.api.backend import Gateway
from portmapper.api.model import Lease, Mapping, MapRequest
from portmapper.gateways.workqueue import Priority, Step, WorkQueues
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]

MOST_MODULES = 8
MOST_RETURNS = 2


def modules_of_stack() -> list[str]:
    """Return the modules of the core on the stack, the caller of all first."""
    return list(reversed([name for name in _names(sys._getframe(1)) if _is_passed(name)]))


def _names(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield str(frame.f_globals.get("__name__", ""))
        frame = frame.f_back


def _is_passed(name: str) -> bool:
    return name.startswith("portmapper.") and not name.startswith(
        ("portmapper.testing", "portmapper.support")
    )


def without_repetitions(modules: list[str]) -> list[str]:
    """Return the modules in the order of the way, each once for several calls in a row."""
    return [name for name, before in zip(modules, ["", *modules], strict=False) if name != before]


_before: ContextVar[list[str]] = ContextVar("_before")
"""The modules on the way to the current task, or to the current step of a work queue."""


def passed() -> list[str]:
    """Return the modules on the way to here, also through tasks and work queues."""
    return [*_before.get([]), *modules_of_stack()]


@pytest.fixture
async def ways(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The ways of the requests that reach the device."""
    seen: list[list[str]] = []
    submit, answer = WorkQueues.submit, FakeDevice.map

    def submitted(queues: WorkQueues, gateway: Gateway, step: Step, *priority: Priority) -> None:
        way = passed()

        async def stepping() -> None:
            _before.set(way)
            await step()

        submit(queues, gateway, stepping, *priority)

    def created(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        context = options.pop("context", None) or copy_context()
        context.run(_before.set, passed())
        return asyncio.Task(coroutine, loop=loop, context=context, **options)

    async def mapped(self: FakeDevice, gateway: Gateway, request: MapRequest) -> Lease:
        seen.append(passed())
        return await answer(self, gateway, request)

    monkeypatch.setattr(WorkQueues, "submit", submitted)
    monkeypatch.setattr(FakeDevice, "map", mapped)
    asyncio.get_running_loop().set_task_factory(created)
    return seen


@pytest.mark.parametrize("renewed", [False, True])
async def test_a_request_passes_few_modules_and_hardly_returns(harness, ways, desired, clock, renewed):
    """From the scheduler to the device, for a new mapping and for a renewal."""
    await harness.start(desired())
    if renewed:
        await clock.advance(2000)
    way = without_repetitions(ways[-1])
    begin = len(way) - way[::-1].index("portmapper.scheduler.scheduler") - 1
    way = way[begin:]
    print(" → ".join(name.removeprefix("portmapper.") for name in way))
    assert len(set(way)) <= MOST_MODULES
    assert len(way) - len(set(way)) <= MOST_RETURNS
