"""The mappings of a status document as rows that fit the screen; no endpoint is ever broken or cut."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs
from rich.cells import cell_len
from rich.text import Text

from portmapper.cli.wording import mapping_port, port_text, protocol_name
from portmapper.support.duration import format_duration
from portmapper.support.text import endpoint, printable

COMMENT_LENGTH = 40
"""Comments are cut to this many characters."""

SHORTEST_COMMENT = 8
"""A narrower column for comments is omitted."""

GAP = "  "
INDENT = "  "

COLORS = {"open": "green", "pending": "yellow", "conflict": "red", "refused": "red", "failed": "red"}

MOVABLE = {"Gateway": "on {}", "External": "external address {}", "To": "→ {}"}
"""Columns whose wide cells move to a line of their own below the row, and the text there."""


@attrs.frozen
class Row:
    """One mapping on the screen.

    Attributes:
        lines: the row, then what did not fit, then the reason of a problem.
        state: `open`, or the state of a mapping that is not open.
        port: the external port with its protocol.
        reason: why the mapping is not open; empty if it is.
    """

    lines: tuple[Text, ...]
    state: str
    port: str
    reason: str


def mapping_rows(document: dict[str, Any], now: datetime, width: int | None) -> tuple[Text | None, list[Row]]:
    """Return the line of column names, and the rows with problems first; no line without mappings."""
    mappings = sorted(document["mappings"], key=lambda mapping: mapping["state"] == "active")
    if not mappings:
        return None, []
    cells = [_cells(mapping, now) for mapping in mappings]
    details: list[list[str]] = [[] for _ in cells]
    _drop_columns(cells)
    widths = _fit(cells, details, width)
    waits = "no gateway answered yet" if not document["gateways"] else "waiting for the gateway's answer"
    head = Text(GAP.join(_padded(name, name, size) for name, size in widths.items()).rstrip(), "bold")
    return head, [
        _row(mapping, row, extra, widths, width, waits)
        for mapping, row, extra in zip(mappings, cells, details, strict=True)
    ]


def _cells(mapping: dict[str, Any], now: datetime) -> dict[str, str]:
    is_pinhole = mapping["family"] == "ipv6"
    return {
        "Port": mapping_port(mapping),
        "To": endpoint(mapping["internal_address"], mapping["internal_port"], "this host"),
        "State": "open" if mapping["state"] == "active" else mapping["state"],
        "Time left": _time_left(mapping, now),
        "External": "" if is_pinhole else mapping["external_address"] or "",
        "Gateway": _gateway(mapping),
        "Comment": printable(mapping["comment"] or "", COMMENT_LENGTH),
    }


def _gateway(mapping: dict[str, Any]) -> str:
    return f"{protocol_name(mapping['backend'])} {mapping['gateway']}" if mapping["backend"] else ""


def _time_left(mapping: dict[str, Any], now: datetime) -> str:
    if mapping["state"] != "active":
        return ""
    if mapping["permanent"] or not mapping["expires_at"]:
        return "no end"
    return format_duration((datetime.fromisoformat(mapping["expires_at"]) - now).total_seconds())


def _drop_columns(cells: Sequence[dict[str, str]]) -> None:
    """Drop columns that are empty, and those that the first line of the screen shows for all rows."""
    for name in ("State", "External", "Gateway", "Time left", "Comment"):
        values = {row[name] for row in cells} - {""}
        shown_above = name in ("External", "Gateway") and len(values) == 1
        if not values or shown_above or (name == "State" and values == {"open"}):
            for row in cells:
                del row[name]


def _fit(cells: Sequence[dict[str, str]], details: Sequence[list[str]], width: int | None) -> dict[str, int]:
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
        comment = Text(row["Comment"])
        comment.truncate(room, overflow="ellipsis")
        row["Comment"] = comment.plain


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


def _row(
    mapping: dict[str, Any],
    cells: dict[str, str],
    details: Sequence[str],
    widths: dict[str, int],
    width: int | None,
    waits: str,
) -> Row:
    state = "open" if mapping["state"] == "active" else mapping["state"]
    reason = "" if state == "open" else printable(mapping["error"] or waits)
    below = [Text(INDENT + detail, "dim") for detail in [*details, *_other_port(mapping)]]
    below += [Text(line, COLORS[state]) for line in wrapped(reason, width)]
    return Row((_line(cells, widths, state), *below), state, cells["Port"], reason)


def _line(cells: dict[str, str], widths: dict[str, int], state: str) -> Text:
    line = Text()
    for index, (name, size) in enumerate(widths.items()):
        colored = name == "State" or (name == "Port" and "State" not in widths)
        line.append(GAP if index else "")
        line.append(_padded(name, cells[name], size), COLORS[state] if colored else None)
    line.rstrip()
    return line


def _padded(name: str, text: str, size: int) -> str:
    space = " " * (size - cell_len(text))
    return space + text if name == "Time left" else text + space


def _other_port(mapping: dict[str, Any]) -> list[str]:
    """Return a note if the gateway granted another port than the desired one."""
    wanted = mapping["wanted_external_port"]
    if not mapping["external_port"] or wanted in (0, None, mapping["external_port"]):
        return []
    return [f"instead of {port_text(wanted, mapping['protocol'])}"]


def wrapped(text: str, width: int | None) -> list[str]:
    """Wrap a text at spaces, indented; a word that is wider than the screen gets a line of its own."""
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
