"""Reads single keys from the terminal while a live screen is shown."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MappingProxyType

KEYS = MappingProxyType(
    {
        b"\x1b[A": "up",
        b"\x1bOA": "up",
        b"k": "up",
        b"\x1b[B": "down",
        b"\x1bOB": "down",
        b"j": "down",
        b"\x1b[5~": "page up",
        b"\x1b[6~": "page down",
        b" ": "page down",
        b"\x1b[H": "home",
        b"\x1b[F": "end",
        b"q": "quit",
    }
)
"""Byte sequences of terminals, and their keys."""


@contextmanager
def reading_keys(pressed: Callable[[str], None]) -> Iterator[bool]:
    """Call `pressed` with each key; yield whether this process can read keys.

    A job in the background cannot: a read would stop it.
    """
    if sys.platform == "win32" or not _is_in_foreground():
        yield False
        return
    import termios
    import tty

    keyboard = sys.stdin.fileno()
    saved = termios.tcgetattr(keyboard)
    # Only TCSANOW does not wait for the output, which Ctrl-S may have stopped.
    tty.setcbreak(keyboard, termios.TCSANOW)
    loop = asyncio.get_running_loop()
    loop.add_reader(keyboard, lambda: _read(keyboard, pressed))
    try:
        yield True
    finally:
        loop.remove_reader(keyboard)
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(keyboard, termios.TCSANOW, saved)


def keys_in(data: bytes) -> Iterator[str]:
    """Yield the known keys in what the terminal sent."""
    while data:
        sequence = next((known for known in KEYS if data.startswith(known)), None)
        if sequence is not None:
            yield KEYS[sequence]
        data = data[len(sequence or b"?") :]


def _is_in_foreground() -> bool:
    try:
        return os.isatty(sys.stdin.fileno()) and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False


def _read(keyboard: int, pressed: Callable[[str], None]) -> None:
    try:
        data = os.read(keyboard, 1024)
    except OSError:
        data = b""
    if not data:  # the terminal is gone; without this, the loop would spin
        asyncio.get_running_loop().remove_reader(keyboard)
    for key in keys_in(data):
        pressed(key)
