"""The supervisor: a failed part is started again, and its problem is shown meanwhile."""

from __future__ import annotations

import asyncio
import errno
import os
from functools import partial

import pytest

from portmapper.daemon import supervisor
from portmapper.daemon.supervisor import Supervisor, name_of
from portmapper.support.clock import Clock

CODES = [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EIO, errno.ENOSPC, errno.EACCES]
ERRORS = [*(OSError(code, os.strerror(code)) for code in CODES), MemoryError(), RuntimeError("no thread")]


@pytest.fixture
def supervised(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """A supervisor that waits only shortly."""
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(supervisor, "STABLE", 0.02)
    return Supervisor(Clock())


@pytest.mark.parametrize("error", ERRORS)
async def test_a_failed_part_is_started_again(
    supervised: Supervisor, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, listed meanwhile, and no longer once it works."""
    failures, works = [error, error, error], asyncio.Event()
    listed: list[object] = []

    async def part() -> None:
        listed.append(supervised.document())
        if failures:
            raise failures.pop()
        works.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(supervised.keep("sources", part))
    async with asyncio.timeout(60):
        await works.wait()
        while supervised.document():
            await asyncio.sleep(0.001)
    task.cancel()
    (problem,) = listed[-1]  # type: ignore[misc]
    assert (problem["part"], problem["attempts"]) == ("sources", 3)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_failure_in_a_task_group_is_named(supervised: Supervisor) -> None:
    """And not the group."""

    async def part() -> None:
        if supervised.document():
            done.set()
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())

    async def fail() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    seen: list[str] = []
    note = supervised.note
    supervised.note = lambda part, reason: (seen.append(str(reason)), note(part, reason))[1]  # type: ignore
    done = asyncio.Event()
    task = asyncio.create_task(supervised.keep("sources", part))
    async with asyncio.timeout(60):
        await done.wait()
    task.cancel()
    assert seen == ["Too many open files"]


async def test_a_part_that_ends_is_started_again(supervised: Supervisor) -> None:
    """Its work would silently stop otherwise; the problem stays while it ends again and again."""
    ends: list[object] = []

    async def part() -> None:
        ends.append(supervised.document())

    task = asyncio.create_task(supervised.keep("sources", part))
    async with asyncio.timeout(60):
        while len(ends) < 4:
            await asyncio.sleep(0.001)
    task.cancel()
    (problem,) = ends[-1]  # type: ignore[misc]
    assert (problem["error"], problem["attempts"]) == ("it ended unexpectedly", 3)


async def test_a_part_that_fails_forever_stays_a_problem(supervised: Supervisor) -> None:
    """Also while it waits for its next start, which is when `status` mostly asks."""
    failures = 0

    async def part() -> None:
        nonlocal failures
        failures += 1
        raise OSError(errno.EIO, "Input/output error")

    task = asyncio.create_task(supervised.keep("listeners", part))
    async with asyncio.timeout(60):
        while failures < 5:
            await asyncio.sleep(0.001)
            assert failures == 0 or supervised.document()
    task.cancel()
    (problem,) = supervised.document()
    assert (problem["part"], problem["error"]) == ("listeners", "Input/output error")


async def test_an_attempt_that_succeeds_ends_the_problem(supervised: Supervisor) -> None:
    """A failed one is not raised."""

    async def succeed() -> None:
        return None

    async def fail() -> None:
        raise MemoryError

    await supervised.attempt("network change", fail)
    assert supervised.document()
    await supervised.attempt("network change", succeed)
    assert not supervised.document()


async def test_an_error_of_the_event_loop_is_logged_once(
    supervised: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a traceback for each of them."""
    loop = asyncio.get_running_loop()
    for _ in range(3):
        supervised.loop_error(loop, {"message": "socket.accept() out of system resource"})
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert supervised.document()[0]["attempts"] == 3


def test_a_background_task_has_a_name() -> None:
    """Also one with arguments."""

    async def serve() -> None:
        return None

    async def live_screen() -> None:
        return None

    assert name_of(partial(serve)) == "control socket"
    assert name_of(live_screen) == "live_screen"
