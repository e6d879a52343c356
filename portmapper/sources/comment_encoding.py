"""Reads comments that are not UTF-8: a comment is no reason to reject a row."""

from __future__ import annotations

import re

from portmapper.api.errors import quoted
from portmapper.api.reading import Rejected
from portmapper.api.source import Row

# Formats decode a byte that is not UTF-8 to a lone surrogate.
_UNDECODED = re.compile("[\udc80-\udcff]")


def in_windows_letters(text: str) -> str:
    """Replace bytes that are not UTF-8 by their letters in cp1252, which old editors on Windows write."""
    if text.isascii():
        return text
    return (
        _UNDECODED.sub(lambda byte: bytes([ord(byte[0]) & 0xFF]).decode("cp1252", "replace"), text)
        .encode("utf-8", "replace")
        .decode()
    )


def row_warning(row: Row) -> Rejected | None:
    """Return a warning about a row that is used although its comment is not UTF-8; None without one."""
    comment = row.fields.get("comment")
    if not isinstance(comment, str) or not _UNDECODED.search(comment):
        return None
    read = quoted(in_windows_letters(comment))
    return Rejected(row.field_where.replace("{}", "comment"), f"not UTF-8, read as {read}: save as UTF-8")
