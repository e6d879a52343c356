"""However a program writes a list, a daemon sees the list before and the list after, and nothing between."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from portmapper.api.errors import SourceError
from portmapper.api.source import FormatOptions
from portmapper.sources.reader import SourceReader
from portmapper.sources.watcher import SourceWatcher
from portmapper.support.clock import Clock
from portmapper_files import file, watcher
from portmapper_files.csv_format import CsvFormat
from portmapper_files.file import FileSource

Write = Callable[[Path, str], Awaitable[None]]

BEFORE = range(18080, 18100)
ADDED = range(18080, 18103)
CHANGED = range(18085, 18105)

STEP = 0.005
"""Seconds between two steps of a program."""

PATIENCE = 0.2
"""Seconds that the daemon and the polling wait for the next step: a step takes longer on a busy machine."""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


def listed(ports: range) -> str:
    """Return a list with these ports."""
    return "port;protocol\n" + "".join(f"{port};TCP\n" for port in ports)


async def in_place(path: Path, content: str) -> None:
    """Truncate the file and write it in pieces, which end within rows."""
    with path.open("w") as stream:
        for start in range(0, len(content), 50):
            stream.write(content[start : start + 50])
            stream.flush()
            await asyncio.sleep(STEP)


async def slowly(path: Path, content: str) -> None:
    """Write in pieces with long pauses, as over a slow network."""
    half = len(content) // 2 + 1
    with path.open("w") as stream:
        for piece in (content[:half], content[half:]):
            stream.write(piece)
            stream.flush()
            await asyncio.sleep(PATIENCE / 2)


async def renamed(path: Path, content: str) -> None:
    """Write another file and rename it, as rsync and most editors do."""
    beside = path.with_name(".ports.csv.Xa91bc")
    await in_place(beside, content)
    beside.replace(path)


async def with_backup(path: Path, content: str) -> None:
    """Rename the file to a backup and write a new one, as vim does with `backupcopy=no`."""
    backup = path.with_name("ports.csv~")
    path.rename(backup)
    await asyncio.sleep(STEP)
    await in_place(path, content)
    path.chmod(0o644)
    backup.unlink()


async def copied(path: Path, content: str) -> None:
    """Copy another file over it."""
    beside = path.with_name("beside")
    beside.write_text(content)
    shutil.copyfile(beside, path)


async def row_by_row(path: Path, content: str) -> None:
    """Write a new list as a shell script does: `echo … >list`, then `echo … >>list` for each row."""
    path.write_text("")
    for row in content.splitlines(keepends=True):
        with path.open("a") as stream:
            stream.write(row)
        await asyncio.sleep(STEP)


async def removed_and_written(path: Path, content: str) -> None:
    """Delete the file and write a new one."""
    path.unlink()
    await asyncio.sleep(STEP)
    await in_place(path, content)


class Daemon:
    """The list's part of a daemon.

    Attributes:
        seen: the ports after each change.
    """

    def __init__(self, path: Path) -> None:
        source = FileSource(str(path))
        self.reader = SourceReader(source, (CsvFormat,), "csv", FormatOptions())
        self.watcher = SourceWatcher([self.reader], 3600.0, Clock(), self._changed, lambda: None)
        self.seen: list[list[int]] = []
        self._event = asyncio.Event()

    def _changed(self) -> None:
        self.seen.append([mapping.port for mapping in self.watcher.readings[0].mappings])
        self._event.set()

    async def has(self, ports: range) -> None:
        """Wait for these ports."""
        async with asyncio.timeout(60):
            while not self.seen or self.seen[-1] != list(ports):
                self._event.clear()
                await self._event.wait()


@pytest.fixture(params=["notified", "polled"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with inotify, and with polling as for a network file system."""
    if request.param == "polled":
        monkeypatch.setattr(watcher, "_POLL_SECONDS", PATIENCE)
        monkeypatch.setattr(watcher, "sys", types.SimpleNamespace(platform="other"))
    return str(request.param)


@pytest.fixture
async def daemon(tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Daemon]:
    """A daemon that has read the list."""
    monkeypatch.setattr("portmapper.sources.watcher.SETTLING", PATIENCE)
    path = tmp_path / "ports.csv"
    path.write_text(listed(BEFORE))
    daemon = Daemon(path)
    await daemon.watcher.read_first()
    task = asyncio.create_task(daemon.watcher.run())
    await asyncio.sleep(STEP)
    yield daemon
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await daemon.watcher.close()


@pytest.mark.parametrize("after", [ADDED, CHANGED], ids=["added", "changed"])
@pytest.mark.parametrize(
    "write", [in_place, slowly, renamed, with_backup, copied, row_by_row, removed_and_written]
)
async def test_only_the_complete_list_is_used(
    daemon: Daemon, tmp_path: Path, write: Write, after: range, caplog: pytest.LogCaptureFixture
) -> None:
    """No step of the program closes a port, opens another one or logs a warning."""
    await write(tmp_path / "ports.csv", listed(after))
    await daemon.has(after)
    assert all(set(BEFORE) <= set(seen) <= {*BEFORE, *ADDED} for seen in daemon.seen[:-1])
    assert not caplog.messages


async def test_each_appended_row_is_used(daemon: Daemon, tmp_path: Path) -> None:
    """A script adds rows with `echo … >>list`."""
    for port in (18100, 18101, 18102):
        with (tmp_path / "ports.csv").open("a") as stream:
            stream.write(f"{port};TCP\n")
    await daemon.has(ADDED)
    assert all(seen == list(ADDED)[: len(seen)] for seen in daemon.seen)


@linux_only
@pytest.mark.parametrize("backend", ["notified"], indirect=True)
async def test_a_reload_waits_for_a_writer(daemon: Daemon, tmp_path: Path) -> None:
    """Also the regular read would otherwise find a list that is half-written."""
    content = listed(CHANGED)
    with (tmp_path / "ports.csv").open("w") as stream:
        stream.write(content[:100])
        stream.flush()
        daemon.watcher.reload([daemon.reader])
        await asyncio.sleep(10 * STEP)
        assert daemon.seen == []
        stream.write(content[100:])
    await daemon.has(CHANGED)
    assert len(daemon.seen) == 1


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[FileSource]:
    """A watched file."""
    source = FileSource(str(tmp_path / "ports.csv"))
    await source.watch(lambda: None)
    yield source
    await source.close()


@linux_only
@pytest.mark.parametrize("is_new", [True, False])
async def test_a_read_waits_until_the_file_is_closed(
    source: FileSource, tmp_path: Path, is_new: bool
) -> None:
    """Also if it is a new file."""
    if not is_new:
        (tmp_path / "ports.csv").write_text("before")
        await asyncio.sleep(STEP)
    with (tmp_path / "ports.csv").open("w") as stream:
        stream.write("ha")
        stream.flush()
        reading = asyncio.create_task(source.fetch())
        await asyncio.sleep(10 * STEP)
        assert not reading.done()
        stream.write("lf")
    assert (await reading).content == b"half"


async def test_an_edit_between_the_first_read_and_the_watch_is_used(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon watches its lists when all have been read, and another one may be on a slow server."""
    monkeypatch.setattr(watcher, "LONGEST_PAUSE", 10 * STEP)
    path, changed = tmp_path / "ports.csv", asyncio.Event()
    path.write_text("before")
    source = FileSource(str(path))
    await source.fetch()
    path.write_text("afterwards")
    await source.watch(changed.set)
    await asyncio.wait_for(changed.wait(), 60)
    assert (await source.fetch()).content == b"afterwards"
    await source.close()


async def test_a_list_that_is_as_it_was_read_is_not_reported(backend: str, tmp_path: Path) -> None:
    """Otherwise each start would read each list twice."""
    path, changes = tmp_path / "ports.csv", []
    path.write_text("before")
    source = FileSource(str(path))
    await source.fetch()
    await source.watch(lambda: changes.append(1))
    await asyncio.sleep(3 * PATIENCE if backend == "polled" else STEP)
    assert changes == []
    await source.close()


@linux_only
async def test_a_writer_that_began_before_the_watch_is_waited_for(tmp_path: Path) -> None:
    """What it has written so far would close ports."""
    path = tmp_path / "ports.csv"
    path.write_text("before")
    source = FileSource(str(path))
    await source.fetch()
    with path.open("w") as stream:
        stream.write("ha")
        stream.flush()
        await source.watch(lambda: None)
        reading = asyncio.create_task(source.fetch())
        await asyncio.sleep(10 * STEP)
        assert not reading.done()
        stream.write("lf")
    assert (await reading).content == b"half"
    await source.close()


async def test_a_read_during_a_whole_write_is_repeated(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer may empty the file before the read, and close it before the read ends."""
    path, read = tmp_path / "ports.csv", file._read_path
    path.write_text("before")
    source = FileSource(str(path))
    await source.watch(lambda: None)

    def torn(name: str, flags: int) -> bytes:
        monkeypatch.setattr(file, "_read_path", read)
        path.write_text("")
        content = read(name, flags)
        path.write_text("after")
        return content

    monkeypatch.setattr(file, "_read_path", torn)
    assert (await source.fetch()).content == b"after"
    await source.close()


@linux_only
async def test_a_file_that_stays_open_is_read_when_nothing_more_is_written(
    source: FileSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program may keep the list open."""
    monkeypatch.setattr(watcher, "LONGEST_PAUSE", 10 * STEP)
    with (tmp_path / "ports.csv").open("w") as stream:
        stream.write("written")
        stream.flush()
        assert (await source.fetch()).content == b"written"


@linux_only
async def test_a_file_that_is_written_without_end_is_unreadable(
    source: FileSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last good list stays in effect."""
    monkeypatch.setattr(file, "_WRITER_LIMIT", 10 * STEP)
    with (tmp_path / "ports.csv").open("w") as stream:
        stream.write("half")
        stream.flush()
        with pytest.raises(SourceError, match="still being written"):
            await source.fetch()


@linux_only
async def test_writes_to_other_files_are_not_waited_for(source: FileSource, tmp_path: Path) -> None:
    """A log in the same directory may be written all the time."""
    (tmp_path / "ports.csv").write_text("complete")
    with (tmp_path / "log").open("w") as stream:
        stream.write("half")
        stream.flush()
        assert (await source.fetch()).content == b"complete"


@linux_only
async def test_a_hard_link_is_another_name_of_the_file(source: FileSource, tmp_path: Path) -> None:
    """What is written through it is seen, too."""
    (tmp_path / "ports.csv").write_text("before")
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "other"
    os.link(tmp_path / "ports.csv", other)
    changed = asyncio.Event()
    await source.close()
    await source.watch(changed.set)
    other.write_text("after")
    await asyncio.wait_for(changed.wait(), 60)
    assert (await source.fetch()).content == b"after"
