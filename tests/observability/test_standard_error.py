"""The log on standard error."""

from __future__ import annotations

import io
import logging

import pytest

from portmapper.observability import standard_error
from portmapper.observability.standard_error import StandardErrorHandler


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> StandardErrorHandler:
    """A handler that writes into memory."""
    made = StandardErrorHandler()
    made.setStream(io.StringIO())
    return made


def record(text: str) -> logging.LogRecord:
    """Return a record with this message."""
    return logging.LogRecord("any", logging.INFO, "", 0, text, (), None)


def test_lines_that_nobody_reads_are_omitted_and_counted(
    handler: StandardErrorHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count is logged with the next line."""
    takes = [True, False, False, True, True]
    monkeypatch.setattr(standard_error, "takes_text", lambda _: takes.pop(0))
    for text in "abcde":
        handler.emit(record(text))
    assert handler.stream.getvalue().splitlines() == [
        "a",
        "the log omitted 2 lines while it was not read",
        "d",
        "e",
    ]


def test_a_line_that_cannot_be_written_is_dropped(
    handler: StandardErrorHandler, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a traceback on standard error."""
    handler.stream.close()
    handler.emit(record("a"))
    assert capsys.readouterr().err == ""
