"""The spinner of commands that wait."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from portmapper.cli import progress as module
from portmapper.cli.progress import progress


class _Terminal(io.StringIO):
    """A standard error stream that is a terminal, and reports when something is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if "searching" in text:
            self.written.set()
        return super().write(text)


def test_a_slow_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The spinner appears while the block runs."""
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(module, "DELAY", 0.0)
    with progress("searching for gateways"):
        assert terminal.written.wait(60)


def test_a_quick_step_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The block ends before the delay."""
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(module, "DELAY", 60.0)
    with progress("searching"):
        pass
    assert terminal.getvalue() == ""


def test_nothing_is_shown_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A log or a pipe gets no spinner."""
    with progress("searching"):
        pass
    assert capsys.readouterr().err == ""
