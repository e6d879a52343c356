"""Keys of a live screen."""

from __future__ import annotations

import os
import sys

import pytest

from portmapper.cli.keys import keys_in, reading_keys


def test_known_sequences_are_keys() -> None:
    """Unknown bytes are skipped."""
    data = b"\x1b[A\x1b[Bx\x1b[5~\x1b[6~q"
    assert list(keys_in(data)) == ["up", "down", "page up", "page down", "quit"]


def test_nothing_is_read_without_a_terminal() -> None:
    """Standard input of a test is none."""
    with reading_keys(lambda key: None) as has_keys:
        assert not has_keys


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
async def test_keys_of_a_terminal_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal gets its modes back."""
    import asyncio
    import pty
    import termios

    ours, theirs = pty.openpty()
    with open(theirs, closefd=True) as terminal:
        before = termios.tcgetattr(terminal)
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
        pressed: asyncio.Queue[str] = asyncio.Queue()
        with reading_keys(pressed.put_nowait) as has_keys:
            assert has_keys
            os.write(ours, b"q")
            assert await pressed.get() == "quit"
        assert termios.tcgetattr(terminal) == before
    os.close(ours)
