"""A named pipe is read to its end, and left when its name leads to something else."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from platforms import posix_only

from portmapper.api import MAX_DOCUMENT, SourceError
from portmapper_files import pipe
from portmapper_files.file import FileSource
from portmapper_files.pipe import read_pipe

pytestmark = posix_only("uses named pipes")


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A named pipe without a writer."""
    path = tmp_path / "ports.csv"
    os.mkfifo(path)
    return path


async def write(path: Path, *parts: bytes) -> None:
    """Write to a pipe as soon as it has a reader, with a pause between the parts."""
    descriptor = await asyncio.to_thread(os.open, path, os.O_WRONLY)
    try:
        for part in parts:
            await asyncio.to_thread(os.write, descriptor, part)
            await asyncio.sleep(0)
    finally:
        os.close(descriptor)


async def test_everything_up_to_the_end_is_read(fifo: Path) -> None:
    """In several parts."""
    content, _ = await asyncio.gather(read_pipe(str(fifo)), write(fifo, b"port;", b"protocol\n"))
    assert content == b"port;protocol\n"


async def test_a_writer_may_write_nothing(fifo: Path) -> None:
    """Then the content is empty."""
    assert (await asyncio.gather(read_pipe(str(fifo)), write(fifo)))[0] == b""


@pytest.mark.parametrize("becomes_file", [True, False])
async def test_a_path_that_leads_elsewhere_ends_the_wait(
    fifo: Path, monkeypatch: pytest.MonkeyPatch, becomes_file: bool
) -> None:
    """The pipe was removed, or replaced by a file."""
    monkeypatch.setattr(pipe, "_CHECK_SECONDS", 0.01)
    reading = asyncio.create_task(read_pipe(str(fifo)))
    await asyncio.sleep(0)
    fifo.unlink()
    if becomes_file:
        fifo.write_bytes(b"x")
    assert await reading is None


async def test_too_much_content_is_an_error(fifo: Path) -> None:
    """Reading stops at the limit."""
    with pytest.raises(SourceError, match="larger than"):
        await asyncio.gather(read_pipe(str(fifo)), write(fifo, bytes(MAX_DOCUMENT), b"1"))


async def test_a_pipe_that_becomes_a_file_again_is_read_again(
    fifo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While waiting for a writer, and after the pipe was read."""
    monkeypatch.setattr(pipe, "_CHECK_SECONDS", 0.01)
    source = FileSource(str(fifo))
    document, _ = await asyncio.gather(source.fetch(), write(fifo, b"one"))
    assert document is await source.fetch()
    fifo.unlink()
    fifo.write_bytes(b"two")
    assert (await source.fetch()).content == b"two"
    fifo.unlink()
    os.mkfifo(fifo)
    waiting = asyncio.create_task(source.fetch())
    await asyncio.sleep(0)
    fifo.unlink()
    fifo.write_bytes(b"three")
    assert (await waiting).content == b"three"


async def test_a_pipe_without_a_writer_is_reported_once(
    fifo: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A pass that waits for a forgotten pipe would look like a hang."""
    monkeypatch.setattr(pipe, "_CHECK_SECONDS", 0.001)
    reading = asyncio.create_task(read_pipe(str(fifo)))
    async with asyncio.timeout(60):
        while not caplog.records:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)
    await asyncio.gather(reading, write(fifo, b"80/tcp"))
    assert caplog.messages == [f"{fifo} is a pipe: waiting for a program that writes the list"]
