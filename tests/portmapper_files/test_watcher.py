"""Changes of a watched file, however they are made."""

from __future__ import annotations

import asyncio
import os
import sys
import types
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from platforms import posix_only

from portmapper_files import watcher
from portmapper_files.file import FileSource

Edit = Callable[[Path], None]


def write(path: Path) -> None:
    """Write the file in place."""
    path.write_text("new content")


def replace(path: Path) -> None:
    """Write another file and rename it, as editors do."""
    beside = path.with_name("beside")
    beside.write_text("new content")
    beside.replace(path)


def remove(path: Path) -> None:
    """Delete the file."""
    path.unlink()


def become_a_link(path: Path) -> None:
    """Replace the file with a symlink."""
    path.with_name("other").write_text("new content")
    path.unlink()
    path.symlink_to("other")


def replace_directory(path: Path) -> None:
    """Rename its directory and put another one in its place."""
    fresh = path.parent.with_name("fresh")
    fresh.mkdir()
    (fresh / path.name).write_text("new content")
    path.parent.rename(path.parent.with_name("old"))
    fresh.rename(path.parent)


@pytest.fixture(params=["notified", "polled"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with inotify and with polling."""
    if request.param == "polled":
        monkeypatch.setattr(watcher, "_POLL_SECONDS", 0.02)
        monkeypatch.setattr(watcher, "sys", types.SimpleNamespace(platform="other"))
    return str(request.param)


class Watched:
    """A file source that is being watched."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = FileSource(str(path))
        self.event = asyncio.Event()

    async def noticed(self) -> None:
        """Wait for the next notification."""
        await asyncio.wait_for(self.event.wait(), 60)
        self.event.clear()

    async def reads(self, text: str | None) -> None:
        """Wait until a read after a notification finds `text`, or no file for None."""
        while True:
            await self.noticed()
            found = self.path.read_text() if self.path.exists() else None
            if found == text:
                return


@pytest.fixture
async def watched(tmp_path: Path, backend: str) -> AsyncIterator[Watched]:
    """Watch `ports.csv` in a separate directory."""
    path = tmp_path / "config" / "ports.csv"
    path.parent.mkdir()
    path.write_text("content")
    watched = Watched(path)
    await watched.source.watch(watched.event.set)
    yield watched
    await watched.source.close()


@pytest.mark.parametrize("edit", [write, replace, become_a_link, replace_directory])
async def test_a_change_is_reported(watched: Watched, edit: Edit) -> None:
    """And the next one, made in the same way or another."""
    edit(watched.path)
    await watched.reads("new content")
    watched.path.write_text("newer content")
    await watched.reads("newer content")


async def test_a_file_that_vanishes_and_returns(watched: Watched) -> None:
    """Both changes are reported."""
    remove(watched.path)
    await watched.reads(None)
    watched.path.write_text("back")
    await watched.reads("back")


async def test_a_directory_that_vanishes_and_returns(watched: Watched) -> None:
    """The nearest existing parent directory is watched."""
    remove(watched.path)
    watched.path.parent.rmdir()
    await watched.reads(None)
    watched.path.parent.mkdir()
    watched.path.write_text("back")
    await watched.reads("back")


@posix_only("uses links")
async def test_a_config_map_that_is_swapped(tmp_path: Path, backend: str) -> None:
    """Kubernetes replaces a symlink to a directory, and never touches the file's own name."""
    for name in ("..1", "..2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ports.csv").write_text(f"content of {name}")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "ports.csv").symlink_to("..data/ports.csv")
    watched = Watched(tmp_path / "ports.csv")
    await watched.source.watch(watched.event.set)
    try:
        for target in ("..2", "..1"):
            (tmp_path / "..tmp").symlink_to(target)
            (tmp_path / "..tmp").rename(tmp_path / "..data")
            await watched.reads(f"content of {target}")
    finally:
        await watched.source.close()


@posix_only("uses links")
async def test_the_target_of_a_link_is_watched(tmp_path: Path, backend: str) -> None:
    """An edit behind the symlink counts, also in another directory."""
    target = tmp_path / "elsewhere" / "target"
    target.parent.mkdir()
    target.write_text("content")
    (tmp_path / "ports.csv").symlink_to("elsewhere/../elsewhere/target")
    watched = Watched(tmp_path / "ports.csv")
    await watched.source.watch(watched.event.set)
    try:
        write(target)
        await watched.reads("new content")
    finally:
        await watched.source.close()


@posix_only("uses links")
async def test_a_loop_of_links_can_be_watched(tmp_path: Path, backend: str) -> None:
    """The watch continues until the loop is fixed."""
    (tmp_path / "ports.csv").symlink_to("ports.csv")
    watched = Watched(tmp_path / "ports.csv")
    await watched.source.watch(watched.event.set)
    try:
        watched.path.unlink()
        watched.path.write_text("fixed")
        await watched.reads("fixed")
    finally:
        await watched.source.close()


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
async def test_a_file_is_not_read_half_written(tmp_path: Path) -> None:
    """A new file is reported when its writer closes it; edits of other files are not reported."""
    path = tmp_path / "ports.csv"
    watched = Watched(path)
    await watched.source.watch(watched.event.set)
    try:
        (tmp_path / "neighbour").write_text("x")
        with path.open("w") as file:
            file.write("half")
            file.flush()
            await asyncio.sleep(0.05)
            assert not watched.event.is_set()
        await watched.noticed()
    finally:
        await watched.source.close()


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
async def test_without_a_watch_left_the_file_is_polled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user has few inotify instances (128)."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("portmapper.support.inotify.Inotify", refuse)
    monkeypatch.setattr(watcher, "_POLL_SECONDS", 0.02)
    watched = Watched(tmp_path / "ports.csv")
    await watched.source.watch(watched.event.set)
    watched.path.write_text("x")
    await watched.noticed()
    await watched.source.close()


async def test_nothing_is_reported_after_close(watched: Watched) -> None:
    """A second close is no error."""
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    await watched.source.close()
    await watched.source.close()
    write(watched.path)
    await asyncio.sleep(0.05)
    assert not watched.event.is_set()
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.skipif(sys.platform != "linux", reason="uses inotify")
async def test_a_path_whose_watches_are_still_there_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change after that is reported. New watches may have come too late, so the path is read again."""
    reads: list[str] = []
    hops = watcher._hops
    monkeypatch.setattr(watcher, "_hops", lambda path: reads.append(path) or hops(path))
    file = tmp_path / "lists" / "ports.csv"
    file.parent.mkdir()
    file.write_text("content")
    watch = watcher.start_watching(str(file), lambda: None)
    try:
        reads.clear()
        watch.arm()
        assert len(reads) == 1
        replace_directory(file)
        reads.clear()
        watch.arm()
        assert len(reads) == 2
    finally:
        watch.close()
