"""The `file` source."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from platforms import posix_only

from portmapper.api.errors import SourceError
from portmapper.api.reading import SourceState
from portmapper.api.source import MAX_DOCUMENT
from portmapper_files.file import FileSource


async def test_a_missing_file(tmp_path: Path) -> None:
    """A one-line error."""
    with pytest.raises(SourceError, match=r"^no such file$"):
        await FileSource(str(tmp_path / "ports.csv")).fetch()


async def test_a_directory(tmp_path: Path) -> None:
    """A directory is no file."""
    with pytest.raises(SourceError, match="is a directory"):
        await FileSource(str(tmp_path)).fetch()


@posix_only("Windows does not tell them apart")
async def test_a_file_below_a_file(tmp_path: Path) -> None:
    """Other errors of the system are passed on."""
    (tmp_path / "x").touch()
    with pytest.raises(SourceError, match="cannot be read: Not a directory"):
        await FileSource(str(tmp_path / "x" / "ports.csv")).fetch()


async def test_a_name_that_no_file_can_have() -> None:
    """A NUL character cannot be passed to the system."""
    with pytest.raises(SourceError, match="NUL"):
        await FileSource("a\0b").fetch()


async def test_a_file_without_read_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A one-line error, also if root runs the test."""

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "ports.csv").touch()
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceError, match=r"^permission denied$"):
        await FileSource(str(tmp_path / "ports.csv")).fetch()


@posix_only("uses Unix sockets")
async def test_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket cannot be opened as a file."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("ports.csv")
        with pytest.raises(SourceError, match="not a regular file"):
            await FileSource("ports.csv").fetch()


async def test_the_size_of_a_file_is_limited(tmp_path: Path) -> None:
    """Reading stops at the limit."""
    with (tmp_path / "ports.csv").open("wb") as file:
        file.truncate(MAX_DOCUMENT + 1)
    with pytest.raises(SourceError, match="larger than 16 MiB"):
        await FileSource(str(tmp_path / "ports.csv")).fetch()


@posix_only("uses a device of Unix")
async def test_the_size_of_a_device_is_limited() -> None:
    """It is no regular file, so a thread reads it."""
    with pytest.raises(SourceError, match="larger than 16 MiB"):
        await FileSource("/dev/zero").fetch()


@posix_only("uses a named pipe")
async def test_a_pipe_is_read_once_and_kept(tmp_path: Path) -> None:
    """A shell's `<(...)` cannot be read twice."""
    path = tmp_path / "ports.csv"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"port;protocol\n",))
    writer.start()
    source = FileSource(str(path))
    document = await source.fetch()
    writer.join()
    assert document.content == b"port;protocol\n"
    assert await source.fetch() is document


async def test_a_relative_path_survives_a_change_of_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon changes its directory to `/`."""
    (tmp_path / "ports.csv").write_text("x")
    monkeypatch.chdir(tmp_path)
    source = FileSource("ports.csv")
    monkeypatch.chdir("/")
    assert (await source.fetch()).content == b"x"
    assert source.location == "ports.csv"


@pytest.mark.parametrize(
    "half", ["port;protocol\n80;TCP\n81;T", "port;protocol\n80;TCP\n8", 'port;protocol\n80;"T']
)
async def test_a_half_written_file_keeps_the_last_good_list(reader: Any, tmp_path: Path, half: str) -> None:
    """An invalid last row without a line end is still being written; at the start it is just invalid."""
    path = tmp_path / "ports.csv"
    path.write_text("port;protocol\n80;TCP\n81;TCP\n")
    source = reader(path)
    good = await source.read()
    path.write_text(f"port;protocol\n{half}")
    stale = await source.read()
    assert (stale.state, stale.mappings) == (SourceState.STALE, good.mappings)
    path.write_text("port;protocol\n80;TCP\n81;TCP")
    assert (await source.read()).mappings == good.mappings


async def test_a_bad_last_row_without_a_line_end_is_rejected_at_the_start(
    reader: Any, tmp_path: Path
) -> None:
    """At the start there is no earlier list to keep."""
    (tmp_path / "ports.csv").write_text("port;protocol\n80;TCP\n81;T")
    reading = await reader(tmp_path / "ports.csv").read()
    assert (reading.state, len(reading.mappings), len(reading.rejected)) == (SourceState.OK, 1, 1)
