"""Reads comments that are not UTF-8: a comment is no reason to reject a row."""

from __future__ import annotations

from portmapper.api.errors import quoted
from portmapper.api.reading import Rejected
from portmapper.api.source import Row
from portmapper.support.encodings import UNDECODED, in_windows_letters


def row_warning(row: Row) -> Rejected | None:
    """Return a warning about a row that is used although its comment is not UTF-8; None without one."""
    comment = row.fields.get("comment")
    if not isinstance(comment, str) or not UNDECODED.search(comment):
        return None
    read = quoted(in_windows_letters(comment))
    where = row.field_where.replace("{}", "comment")
    return Rejected(where, f"not UTF-8, read as {read}: save as UTF-8", row.line)
