"""What strangers wrote is harmless on a terminal, in a log and in JSON."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from portmapper.observability.logs import start_logging

HOSTILE = "\x1b[2J\x07\r\n\u202egnp.exe\u2028\x00"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, while the root logger is ours."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], level = before
    root.setLevel(level)


@pytest.mark.parametrize("form", ["text", "json"])
def test_each_record_is_one_line(log: io.StringIO, form: str) -> None:
    """Whatever it quotes."""
    start_logging(logging.StreamHandler(log), logging.INFO, form)
    logging.getLogger("portmapper.x").warning("the gateway says %s", HOSTILE)
    text = log.getvalue()
    assert text.count("\n") == 1
    assert text.rstrip("\n").isprintable()


def test_json_lines_can_be_parsed(log: io.StringIO) -> None:
    """At, level, logger, message; a traceback inside the same line."""
    start_logging(logging.StreamHandler(log), logging.INFO, "json")
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("portmapper.x").exception("it broke")
    (line,) = log.getvalue().splitlines()
    document = json.loads(line)
    assert (document["level"], document["logger"], document["message"]) == (
        "error",
        "portmapper.x",
        "it broke",
    )
    assert "ValueError" in document["traceback"]


def test_a_traceback_in_text_is_harmless(log: io.StringIO) -> None:
    """Its lines are kept, the escapes in them are not."""
    start_logging(logging.StreamHandler(log), logging.INFO, "text")
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("portmapper.x").exception("it broke")
    assert "\x1b" not in log.getvalue()
    assert "\u202e" not in log.getvalue()


def test_a_wrong_format_is_no_crash(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """And what is below the level is not there."""
    start_logging(logging.StreamHandler(log), logging.INFO, "text")
    logging.getLogger("portmapper.x").debug("below")
    assert log.getvalue() == ""
