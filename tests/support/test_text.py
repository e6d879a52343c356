"""Text from other programs is safe to show on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.support.text import endpoint, printable


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
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    """Escapes, text directions, line ends and lone surrogates; other text is unchanged."""
    assert printable(text) == shown


@given(text=st.text(st.characters(), max_size=600), longest=st.integers(1, 500))
def test_any_text_becomes_one_printable_line(text: str, longest: int) -> None:
    """It is not longer than the limit, except for the mark of omitted text."""
    shown = printable(text, longest)
    assert shown.isprintable()
    assert len(shown) <= longest + 1


def test_an_ipv6_address_is_bracketed_before_its_port() -> None:
    """Otherwise the port could be part of the address."""
    assert endpoint("2001:db8::1", 80) == "[2001:db8::1]:80"
    assert endpoint("192.168.1.1", 80) == "192.168.1.1:80"
    assert endpoint(None, "any") == "*:any"
