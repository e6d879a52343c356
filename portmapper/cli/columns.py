"""Columns that fit the screen: comments are cut first, and no endpoint is ever broken or cut."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from portmapper.cli.lines import cell_len, truncated

SHORTEST_COMMENT = 8
"""A narrower column for comments is omitted."""

GAP = "  "
INDENT = "  "

MOVABLE = {
    "Gateway": "on {}",
    "External": "external address {}",
    "External address": "external address: {}",
    "To": "→ {}",
    "Stale because": "{}",
    "Provides": "{}",
    "From": "from {}",
}
"""Columns whose wide cells move to a line of their own below the row, and the text there."""

ALIGNED_RIGHT = ("Time left", "Answer")


def fit(cells: Sequence[dict[str, str]], details: Sequence[list[str]], width: int | None) -> dict[str, int]:
    """Cut comments first, then move wide cells to their own lines; return the widths of the columns."""
    widths = _widths(cells)
    if width is None or _total(widths) <= width:
        return widths
    room = width - _total({**widths, "Comment": 0})
    if room >= SHORTEST_COMMENT and "Comment" in widths:
        _cut_comments(cells, room)
        return _widths(cells)
    _remove(cells, "Comment")
    for name, text in MOVABLE.items():
        excess = _total(_widths(cells)) - width
        if excess > 0 and name in cells[0]:
            _move(cells, details, name, text, _widths(cells)[name] - excess)
    return _widths(cells)


def _widths(cells: Sequence[dict[str, str]]) -> dict[str, int]:
    return {name: max(cell_len(row[name]) for row in (*cells, {name: name})) for name in cells[0]}


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def _cut_comments(cells: Sequence[dict[str, str]], room: int) -> None:
    for row in cells:
        row["Comment"] = truncated(row["Comment"], room)


def _move(
    cells: Sequence[dict[str, str]], details: Sequence[list[str]], name: str, text: str, room: int
) -> None:
    """Move the cells that are wider than `room` below their rows; the whole column if none would remain."""
    for row, lines in zip(cells, details, strict=True):
        if row[name] and cell_len(row[name]) > room:
            lines.insert(0, text.format(row[name]))
            row[name] = ""
    if room < len(name) or not any(row[name] for row in cells):
        for row, lines in zip(cells, details, strict=True):
            if row[name]:
                lines.insert(0, text.format(row[name]))
        _remove(cells, name)


def _remove(cells: Sequence[dict[str, str]], name: str) -> None:
    for row in cells:
        row.pop(name, None)


def column_names(widths: dict[str, int]) -> str:
    """Return the line of column names."""
    return row_line({name: name for name in widths}, widths)


def row_line(cells: dict[str, str], widths: dict[str, int]) -> str:
    """Return the cells of a row in one line."""
    return GAP.join(padded(name, cells[name], size) for name, size in widths.items()).rstrip()


def padded(name: str, text: str, size: int) -> str:
    """Fill a cell to the width of its column; numbers are aligned to the right."""
    space = " " * (size - cell_len(text))
    return space + text if name in ALIGNED_RIGHT else text + space


def wrapped(text: str, width: int | None) -> list[str]:
    """Wrap a text at spaces, indented; a word that is wider than the screen gets its own line."""
    if not text:
        return []
    if width is None:
        return [INDENT + text]
    return textwrap.wrap(
        text,
        max(width, 20),
        initial_indent=INDENT,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
