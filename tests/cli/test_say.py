"""Sentences on a narrow terminal."""

from __future__ import annotations

import os
import struct

import pytest

from portmapper.cli.say import say
from portmapper.support.fitted import fitted

OPENED = (
    "8080/tcp → 192.168.88.10:8080 is open at 203.0.113.7:8080 over PCP\n  until 2026-11-29 07:42:43+00:00"
)


def test_a_line_breaks_between_words() -> None:
    """What follows the break is indented, and no address is broken."""
    assert fitted(OPENED, 40).splitlines() == [
        "8080/tcp → 192.168.88.10:8080 is open at",
        "  203.0.113.7:8080 over PCP",
        "  until 2026-11-29 07:42:43+00:00",
    ]


def test_a_word_that_is_wider_than_the_screen_stays_whole() -> None:
    """It can be copied."""
    assert fitted("wrote /var/lib/portmapper/portmapper.toml", 20).splitlines() == [
        "wrote",
        "  /var/lib/portmapper/portmapper.toml",
    ]


@pytest.mark.parametrize("width", [None, 200])
def test_a_line_that_fits_is_not_changed(width: int | None) -> None:
    """Spaces within it stay, too."""
    assert fitted("a   b\n\n  c", width) == "a   b\n\n  c"


def test_only_a_terminal_gets_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    """A script reads one line."""
    say(OPENED)
    assert capsys.readouterr().out == OPENED + "\n"


def test_the_width_is_that_of_the_stream() -> None:
    """Standard error may be a terminal while standard output is a file."""
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    with os.fdopen(theirs, "w") as terminal:
        say(OPENED, terminal)
        terminal.flush()
        shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert shown.splitlines() == fitted(OPENED, 40).splitlines()
