"""Parses the delimiter of CSV lists."""

from __future__ import annotations

from portmapper.api.errors import UsageError, quoted


def csv_delimiter(text: str) -> str:
    """Parse `--csv-delimiter`; the two characters `\\t` mean a tab.

    Raises:
        UsageError: it is not one character, or it is one that CSV itself uses.
    """
    delimiter = "\t" if text == r"\t" else text
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise UsageError(f"a CSV delimiter is one character, not {quoted(text)}")
    return delimiter
