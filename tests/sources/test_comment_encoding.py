"""A comment that is not UTF-8 is read, with a warning."""

from __future__ import annotations

import pytest

from portmapper.api.source import Row
from portmapper.sources.comment_encoding import row_warning
from portmapper.support.encodings import in_windows_letters


@pytest.mark.parametrize(
    ("text", "letters"), [("B\udcfcro", "Büro"), ("Büro", "Büro"), ("\udc81", "\N{REPLACEMENT CHARACTER}")]
)
def test_a_comment_may_be_in_cp1252(text: str, letters: str) -> None:
    """It is only a comment; `row_warning` reports it."""
    assert in_windows_letters(text) == letters
    assert (row_warning(Row({"comment": text}, "line 2", "line 2, column {}")) is None) == (text == "Büro")
