"""What strangers wrote is harmless on a terminal, in a log and in JSON."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.observability.logs import start_logging
from portmapper.support.text import endpoint, printable

HOSTILE = "\x1b[2J\x07\r\n\u202egnp.exe\u2028\x00"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("FRITZ!Box 7590, Küche", "FRITZ!Box 7590, Küche"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202eabc", "\\u202eabc"),
        ("a\nb\tc\u00a0d", "a b c d"),
        ("\x9b1m", "\\x9b1m"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_escaped(text: str, shown: str) -> None:
    """Escapes, directions, line ends and halves of characters; all else stays."""
    assert printable(text) == shown


@given(text=st.text(st.characters(), max_size=600), longest=st.integers(1, 500))
def test_any_text_becomes_one_printable_line(text: str, longest: int) -> None:
    """Not longer than wanted, but for the sign that something is missing."""
    shown = printable(text, longest)
    assert shown.isprintable()
    assert len(shown) <= longest + 1


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


def test_an_ipv6_address_is_bracketed_before_its_port() -> None:
    """Or nobody could tell where the port begins."""
    assert endpoint("2001:db8::1", 80) == "[2001:db8::1]:80"
    assert endpoint("192.168.1.1", 80) == "192.168.1.1:80"
    assert endpoint(None, "any") == "*:any"
