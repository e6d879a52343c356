"""Whether a stream takes text now."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from portmapper.support.writable import takes_text


def test_files_and_streams_without_a_descriptor_always_take_text(tmp_path: Path) -> None:
    """Neither ever blocks; a missing stream is no fault."""
    with (tmp_path / "file").open("w") as file:
        assert takes_text(file)
    assert takes_text(io.StringIO())
    assert takes_text(None)


@pytest.mark.skipif(sys.platform == "win32", reason="only sockets can be asked")
def test_a_pipe_that_nobody_reads_takes_none() -> None:
    """Until it is read again."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with os.fdopen(read_end, "rb", buffering=0) as reader, os.fdopen(write_end, "w") as writer:
        assert takes_text(writer)
        while takes_text(writer):
            os.write(write_end, b"x" * 4096)
        reader.read(1 << 20)
        assert takes_text(writer)
