"""Untrusted text is safe to show, and values are formatted for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.support.text import endpoint, plural, printable, sentence, storable


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
def test_control_and_format_characters_are_escaped(text: str, shown: str) -> None:
    """Escapes, bidirectional marks and lone surrogates are escaped; line ends become spaces."""
    assert printable(text) == shown


@given(text=st.text(st.characters(), max_size=600), longest=st.integers(1, 500))
def test_any_text_becomes_one_printable_line(text: str, longest: int) -> None:
    """The line is at most `longest` characters plus the ellipsis."""
    shown = printable(text, longest)
    assert shown.isprintable()
    assert len(shown) <= longest + 1


def test_an_ipv6_address_is_bracketed_before_its_port() -> None:
    """Without brackets the port is ambiguous."""
    assert endpoint("2001:db8::1", 80) == "[2001:db8::1]:80"
    assert endpoint("192.168.1.1", 80) == "192.168.1.1:80"
    assert endpoint(None, "any") == "*:any"


def test_a_lone_surrogate_can_be_stored() -> None:
    """SQLite rejects text that is not valid UTF-8."""
    assert storable("a\ud800b") == "a?b"
    assert storable("Küche") == "Küche"


def test_a_sentence_starts_with_a_capital_and_ends_with_one_period() -> None:
    """Help texts are written without either."""
    assert sentence("show the state") == "Show the state."
    assert sentence("Show it.") == "Show it."
    assert sentence("") == "."


@pytest.mark.parametrize(("count", "text"), [(0, "0 mappings"), (1, "1 mapping"), (2, "2 mappings")])
def test_a_count_has_the_right_plural(count: int, text: str) -> None:
    """Only one is singular."""
    assert plural(count, "mapping") == text
