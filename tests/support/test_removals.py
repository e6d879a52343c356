"""Waiting for the removal of files, with and without inotify."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from portmapper.support import removals
from portmapper.support.removals import Removals


@pytest.fixture(params=["inotify", "polling"])
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> Path:
    """Return a file in a directory that may be removed."""
    monkeypatch.setattr(removals, "SETTLE", 0.01)
    if request.param == "polling":
        monkeypatch.setattr(removals, "POLL_INTERVAL", 0.01)
        monkeypatch.setattr(removals, "Inotify", _missing)
    file = tmp_path / "state" / "file"
    file.parent.mkdir()
    file.touch()
    return file


def _missing() -> None:
    raise OSError("only Linux has inotify")


async def until_gone(watch: Removals, file: Path) -> None:
    """Look after each wait, as callers do."""
    async with asyncio.timeout(60):
        while file.exists():
            await watch.wait()


@pytest.mark.parametrize("what", ["file", "directory", "moved"])
async def test_a_removal_ends_the_wait_each_time(watched: Path, what: str) -> None:
    """Also in a directory that was created again."""
    watch = Removals([watched])
    for _ in range(2):
        gone = asyncio.create_task(until_gone(watch, watched))
        await asyncio.sleep(0.02)
        assert not gone.done()
        if what == "file":
            watched.unlink()
        elif what == "directory":
            shutil.rmtree(watched.parent)
        else:
            watched.replace(watched.with_name("other"))
        await gone
        watched.parent.mkdir(exist_ok=True)
        watched.touch()
    watch.close()


async def test_a_missing_directory_is_watched_later(watched: Path) -> None:
    """Until it exists, the caller looks at each interval."""
    shutil.rmtree(watched.parent)
    watch = Removals([watched])
    async with asyncio.timeout(60):
        await watch.wait()
        watched.parent.mkdir()
        await watch.wait()
    watch.close()


async def test_wake_ends_the_wait(watched: Path) -> None:
    """For news of another kind."""
    watch = Removals([watched])
    await watch.wait()
    asyncio.get_running_loop().call_later(0.02, watch.wake)
    async with asyncio.timeout(60):
        await watch.wait()
    watch.close()
