"""The mappings of a status document as rows that fit the screen; no endpoint is ever broken or cut."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from portmapper.cli.columns import GAP, INDENT, column_names, fit, padded, wrapped
from portmapper.cli.lines import Line
from portmapper.cli.reachable_lines import is_unreachable, reachable_lines
from portmapper.cli.wording import HELD_BACK, mapping_port, port_text, protocol_name
from portmapper.support.duration import format_duration, format_local
from portmapper.support.text import endpoint, printable

COMMENT_LENGTH = 40
"""Comments are cut to this many characters."""

COLORS = {
    "open": "green",
    "pending": "yellow",
    "conflict": "red",
    "refused": "red",
    "failed": "red",
    "paused": "cyan",
    "waiting": "cyan",
}


class Row(NamedTuple):
    """One mapping on the screen.

    Attributes:
        lines: the row, then what did not fit, then the reason of a problem.
        state: `open`, or the state of a mapping that is not open.
        port: the external port with its protocol.
        reason: why the mapping is not open; empty if it is.
    """

    lines: tuple[Line, ...]
    state: str
    port: str
    reason: str


def mapping_rows(document: dict[str, Any], now: datetime, width: int | None) -> tuple[Line | None, list[Row]]:
    """Return the line of column names, and the rows with problems first; no line without mappings."""
    mappings = sorted(document["mappings"], key=_rank)
    if not mappings:
        return None, []
    cells = [_cells(mapping, now) for mapping in mappings]
    details: list[list[str]] = [[] for _ in cells]
    _drop_columns(cells)
    widths = fit(cells, details, width)
    waits = "no gateway answered yet" if not document["gateways"] else "waiting for the gateway's answer"
    if document.get("role") == "standby":
        waits = "this daemon is on standby"
    outside = [reachable_lines(mapping, document, now, width) for mapping in mappings]
    return Line(column_names(widths), "bold"), [
        _row(mapping, row, extra, widths, width, waits, seen, _next_try(mapping, now))
        for mapping, row, extra, seen in zip(mappings, cells, details, outside, strict=True)
    ]


def _rank(mapping: dict[str, Any]) -> int:
    """Problems come first, then what is held back on purpose, then what is open but not reachable."""
    if mapping["state"] == "active":
        return 2 if is_unreachable(mapping) else 3
    return int(mapping["state"] in HELD_BACK)


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


def _row(
    mapping: dict[str, Any],
    cells: dict[str, str],
    details: Sequence[str],
    widths: dict[str, int],
    width: int | None,
    waits: str,
    reachable: Sequence[Line],
    next_try: Sequence[str],
) -> Row:
    state = "open" if mapping["state"] == "active" else mapping["state"]
    reason = "" if state == "open" else printable(mapping["error"] or waits)
    notes = [*_other_port(mapping), *_end(mapping)]
    below = [Line(INDENT + detail, "dim") for detail in [*details, *notes]]
    below += reachable
    trouble = printable(mapping["error"] or "") if state == "open" else reason
    below += [Line(line, COLORS[state] if reason else "yellow") for line in wrapped(trouble, width)]
    below += [Line(INDENT + line, "dim") for line in next_try]
    return Row((_line(cells, widths, state), *below), state, cells["Port"], reason)


def _next_try(mapping: dict[str, Any], now: datetime) -> list[str]:
    if mapping["state"] == "active" or not mapping.get("retries_at"):
        return []
    left = (datetime.fromisoformat(mapping["retries_at"]) - now).total_seconds()
    return [f"next try in {format_duration(left)}"] if left > 0 else []


def _line(cells: dict[str, str], widths: dict[str, int], state: str) -> Line:
    padding = [padded(name, cells[name], size) for name, size in widths.items()]
    place = [*widths].index("State" if "State" in widths else "Port")
    start = sum(map(len, padding[:place])) + place * len(GAP)
    return Line(GAP.join(padding).rstrip(), COLORS[state], (start, start + len(padding[place])))


def _end(mapping: dict[str, Any]) -> list[str]:
    """Return when a mapping closes by itself."""
    if not mapping.get("closes_at"):
        return []
    return [f"closes at {format_local(datetime.fromisoformat(mapping['closes_at']))}"]


def _other_port(mapping: dict[str, Any]) -> list[str]:
    """Return a note if the gateway granted another port than the desired one."""
    wanted = mapping["wanted_external_port"]
    if not mapping["external_port"] or wanted in (0, None, mapping["external_port"]):
        return []
    return [f"instead of {port_text(wanted, mapping['protocol'])}"]
