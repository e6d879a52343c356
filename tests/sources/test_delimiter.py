"""The delimiter of CSV lists."""

from __future__ import annotations

import pytest

from portmapper.api.errors import UsageError
from portmapper.sources.delimiter import csv_delimiter


@pytest.mark.parametrize(
    ("text", "delimiter"), [(";", ";"), (",", ","), ("\t", "\t"), (r"\t", "\t"), ("§", "§")]
)
def test_a_delimiter_is_one_character(text: str, delimiter: str) -> None:
    """A tab may be written as two characters."""
    assert csv_delimiter(text) == delimiter


@pytest.mark.parametrize("text", ["", ";;", r"\n", '"', "\n", "\r", "\0"])
def test_an_invalid_delimiter_is_a_usage_error(text: str) -> None:
    """Quotes and line ends have another meaning in CSV."""
    with pytest.raises(UsageError):
        csv_delimiter(text)
