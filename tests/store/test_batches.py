"""Writes of one cycle of the event loop are one, and nobody waits for one that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from portmapper.store.batches import Batches


async def test_what_waits_for_a_write_goes_on_after_it() -> None:
    """All that changed in the cycle is one write."""
    writes, planned = list[str](), list[Callable[[], None]]()
    batches = Batches(lambda: writes.append("all"))
    with batches.gathered(planned.append):
        batches.write_soon()
        batches.write_soon()
        waiting = asyncio.create_task(batches.written())
        await asyncio.sleep(0)
        assert (writes, waiting.done()) == ([], False)
        (write,) = planned
        write()
        await waiting
        assert writes == ["all"]


async def test_nobody_waits_forever() -> None:
    """Also if a write fails in a way that nobody expected."""
    planned = list[Callable[[], None]]()
    fails = iter([True, False])

    def write() -> None:
        if next(fails):
            raise ZeroDivisionError

    batches = Batches(write)
    with batches.gathered(planned.append):
        batches.write_soon()
        waiting = asyncio.create_task(batches.written())
        await asyncio.sleep(0)
        with pytest.raises(ZeroDivisionError):
            planned[0]()
        await waiting


async def test_outside_of_a_loop_nothing_is_gathered() -> None:
    """A command writes each change at once."""
    writes = list[str]()
    batches = Batches(lambda: writes.append("one"))
    batches.write_soon()
    batches.write_soon()
    await batches.written()
    assert writes == ["one", "one"]
