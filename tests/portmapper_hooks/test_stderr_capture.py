"""Capture of a program's standard error."""

from __future__ import annotations

import asyncio
import os

from platforms import posix_only

from portmapper_hooks.stderr_capture import MAX_CAPTURED, StderrCapture

pytestmark = posix_only("Windows cannot watch a pipe")


async def test_output_becomes_the_end_of_a_log_line() -> None:
    """Control characters are escaped."""
    with StderrCapture() as captured:
        os.write(captured.pipe, b"no\x1b[2Jway\n")
        assert str(captured) == ": no\\x1b[2Jway"


async def test_no_output_adds_nothing() -> None:
    """The log line then ends with the exit status."""
    with StderrCapture() as captured:
        assert str(captured) == ""


async def test_a_flood_is_read_and_only_its_start_is_kept() -> None:
    """The program must not block on a full pipe, and memory stays bounded."""
    with StderrCapture() as captured:
        for _ in range(100):
            os.write(captured.pipe, b"x" * 4096)
            await asyncio.sleep(0)
        assert len(str(captured)) <= MAX_CAPTURED + 2
