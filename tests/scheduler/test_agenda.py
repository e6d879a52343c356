"""Work on many mappings in slices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from portmapper.scheduler import agenda
from portmapper.scheduler.agenda import SLICE, Agenda


def steps(done: list[object], name: object, count: int) -> Iterator[None]:
    """A job of `count` steps, which notes each one."""
    for _ in range(count):
        done.append(name)
        yield


async def test_a_short_job_has_ended_when_it_was_added() -> None:
    """The caller may look at its results at once, as without slices."""
    done: list[object] = []
    ended: list[str] = []
    work = Agenda(lambda: ended.append("ended"))
    work.add(steps(done, "short", 3))
    assert done == ["short"] * 3
    assert not work.busy
    assert ended == ["ended"]
    await work.done()


async def test_the_loop_turns_between_slices() -> None:
    """Clients are answered while a long list is taken."""
    done: list[object] = []
    work = Agenda(lambda: None)
    work.add(steps(done, "long", 3 * SLICE))
    assert work.busy
    assert len(done) == SLICE
    await asyncio.sleep(0)
    assert len(done) == 2 * SLICE
    await work.done()
    assert len(done) == 3 * SLICE


async def test_jobs_do_not_mix() -> None:
    """What follows from a list is done after the whole list was taken, also if a step asks for it."""
    done: list[object] = []
    work = Agenda(lambda: None)

    def asking() -> Iterator[None]:
        work.add(steps(done, "asked for", 1))
        yield from steps(done, "first", SLICE)

    work.add(asking())
    work.add(steps(done, "last", 1))
    await work.done()
    assert done == ["first"] * SLICE + ["asked for", "last"]


async def test_a_fault_ends_its_job_only() -> None:
    """The caller of a short job sees it; the jobs after it go on."""
    done: list[object] = []
    work = Agenda(lambda: None)

    def faulty() -> Iterator[None]:
        work.add(steps(done, "next", 1))
        yield
        raise ValueError("a fault of ours")

    with pytest.raises(ValueError, match="a fault of ours"):
        work.add(faulty())
    await work.done()
    assert done == ["next"]


async def test_dropped_jobs_are_not_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shutdown drops them; what it adds itself is done in its own slices."""
    monkeypatch.setattr(agenda, "SLICE", 2)
    done: list[object] = []
    work = Agenda(lambda: None)
    work.add(steps(done, "dropped", 10))
    work.clear()
    await work.done()
    work.add(steps(done, "kept", 5))
    await asyncio.sleep(0)
    assert done == ["dropped"] * 2 + ["kept"] * 4
    await work.done()
    assert done == ["dropped"] * 2 + ["kept"] * 5
