"""A terminal that does not take output never stops the daemon."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from portmapper.cli import terminal
from portmapper.cli.terminal import PatientTerminal, never_wait_for_terminals

if sys.platform == "win32":
    pytest.skip("terminals of Unix", allow_module_level=True)

import pty
import termios


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a terminal."""
    reading, writing = pty.openpty()
    yield reading, writing
    os.close(reading)
    os.close(writing)


@pytest.fixture
def patient(ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> PatientTerminal:
    """Standard output on that terminal."""
    with io.TextIOWrapper(os.fdopen(os.dup(ends[1]), "wb"), "utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        never_wait_for_terminals()
        assert isinstance(sys.stdout, PatientTerminal)
        return sys.stdout


def read_line(end: int) -> bytes:
    """Read up to the end of a line, which the kernel may pass on in parts."""
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(end, 1000)
    return line


def test_text_is_written(ends: tuple[int, int], patient: PatientTerminal) -> None:
    """As to any terminal."""
    print("8080/tcp → open", file=patient)
    assert read_line(ends[0]).decode() == "8080/tcp → open\r\n"
    assert patient.isatty()


def test_a_terminal_that_ctrl_s_stopped_is_not_waited_for(
    ends: tuple[int, int], patient: PatientTerminal
) -> None:
    """What is written meanwhile is lost, and what is written later is shown."""
    termios.tcflow(ends[1], termios.TCOOFF)
    patient.write("lost\n")
    termios.tcflow(ends[1], termios.TCOON)
    patient.write("shown\n")
    assert read_line(ends[0]) == b"shown\r\n"


def test_a_terminal_that_hangs_takes_what_it_has_room_for(
    patient: PatientTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that is larger than the room does not wait for the rest."""
    monkeypatch.setattr(terminal, "PATIENCE", 0.0)
    for _ in range(10):
        patient.write("x" * 100_000)


def test_a_terminal_that_is_gone_is_no_error(ends: tuple[int, int], patient: PatientTerminal) -> None:
    """Its user closed the window."""
    spare = os.dup(ends[1])
    os.dup2(spare, ends[0])
    os.close(spare)
    patient.write("lost\n")


def test_other_streams_stay(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as files and pipes."""
    stream: Any = sys.stderr
    never_wait_for_terminals()
    assert sys.stderr is stream
