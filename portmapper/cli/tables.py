"""The status screen: the answer, the daemon, the problems, then as many open mappings as fit."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from portmapper.cli.columns import wrapped
from portmapper.cli.headline import daemon_lines, headline
from portmapper.cli.lines import Line, in_encoding, print_lines
from portmapper.cli.mapping_rows import COLORS, Row, mapping_rows
from portmapper.cli.wording import address_warnings
from portmapper.support.duration import format_local
from portmapper.support.text import plural, printable
from portmapper.support.wall_clock import wall_now


class Size(NamedTuple):
    """The size of the screen; None is no limit.

    Attributes:
        width: columns.
        height: lines.
    """

    width: int | None = None
    height: int | None = None


NO_LIMIT = Size()


class Screen(NamedTuple):
    """A status screen.

    Attributes:
        lines: its lines, from the top.
        scroll: how many open mappings are above the visible ones.
    """

    lines: list[Line]
    scroll: int = 0


def print_status(document: dict[str, Any]) -> None:
    """Print a status document: what fits the terminal, or everything to a pipe or a file."""
    width, height = terminal_size()
    # One line remains for the shell's prompt.
    screen = render(document, Size(width, height - 1 if height else None))
    print_lines(in_encoding(screen.lines, width, sys.stdout))


def terminal_size() -> tuple[int | None, int | None]:
    """Return width and height of the terminal; None where standard output has no such limit."""
    if sys.stdout.isatty():
        import shutil  # imports all compression libraries

        return shutil.get_terminal_size()
    return int(os.environ.get("COLUMNS", "")) if os.environ.get("COLUMNS", "").isdigit() else None, None


def line_width() -> int | None:
    """Return the width at which lines of text must break; None for a pipe or file, where each stays whole."""
    return terminal_size()[0] if sys.stdout.isatty() else None


def render(
    document: dict[str, Any],
    size: Size = NO_LIMIT,
    scroll: int = 0,
    now: datetime | None = None,
) -> Screen:
    """Return the screen of a status document.

    Problems always come first and are never scrolled away; with little room, equal reasons are shown once.
    """
    now = now or wall_now()
    columns, rows = mapping_rows(document, now, size.width)
    answer = headline(document, size.width)
    head = [Line(line, "bold") for line in answer]
    head += [Line(line, "dim") for line in daemon_lines(document, now, size.width)]
    head += _cut(_notes(document, size.width), None if size.height is None else size.height // 3)
    head += [columns] if columns else []
    problems = [row for row in rows if row.state != "open"]
    opened = [row.lines for row in rows if row.state == "open"]
    full = [line for row in problems for line in row.lines]
    if size.height is None:
        return Screen([*head, *full, *(line for lines in opened for line in lines)])
    room = size.height - len(head)
    if len(full) > room - bool(opened):
        full = _cut(_grouped(problems, size.width), room - bool(opened))
    visible, start = _visible(opened, room - len(full), scroll)
    return Screen([*head, *full, *visible], start)


def _grouped(problems: Sequence[Row], width: int | None) -> list[Line]:
    """Return each state and reason once, with all its ports."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in problems:
        groups.setdefault((row.state, row.reason), []).append(row.port)
    lines: list[Line] = []
    for (state, reason), ports in groups.items():
        lines += [Line(line, COLORS[state]) for line in _unindented(f"{state}: {', '.join(ports)}", width)]
        lines += [Line(line, COLORS[state]) for line in wrapped(reason, width)]
    return lines


def _unindented(text: str, width: int | None) -> list[str]:
    return [line if index else line.lstrip() for index, line in enumerate(wrapped(text, width))]


def _cut(lines: list[Line], room: int | None) -> list[Line]:
    if room is None or len(lines) <= max(room, 0):
        return lines
    kept = lines[: max(room - 1, 0)]
    return [*kept, Line(f"… and {plural(len(lines) - len(kept), 'more line')} of problems", "yellow")]


def _visible(opened: Sequence[Sequence[Line]], room: int, scroll: int) -> tuple[list[Line], int]:
    """Return the open mappings that fit and the line that counts the others, and where they start."""
    if sum(map(len, opened)) <= room:
        return [line for lines in opened for line in lines], 0
    start = min(max(scroll, 0), _last_start(opened, room - 1))
    visible: list[Line] = []
    shown = 0
    for lines in opened[start:]:
        if len(visible) + len(lines) > room - 1:
            break
        visible += lines
        shown += 1
    below = len(opened) - start - shown
    if below:
        return [*visible, Line(f"… and {below} more open")], start
    return [*visible, Line(f"… and {start} more open above")], start


def _last_start(opened: Sequence[Sequence[Line]], room: int) -> int:
    """Return the first mapping of the last page."""
    used, start = 0, len(opened)
    while start and used + len(opened[start - 1]) <= room:
        start -= 1
        used += len(opened[start])
    return min(start, max(len(opened) - 1, 0))


def _notes(document: dict[str, Any], width: int | None) -> list[Line]:
    """Return the problems that belong to no mapping: gateways, sources, plugins and the store."""
    notes = [(warning, "yellow") for warning in address_warnings(document)]
    notes += [(text, "yellow") for source in document["sources"] for text in _of_source(source)]
    notes += [(_of_fault(fault), "red") for fault in document.get("faults", ())]
    problems = [one for one in document.get("problems", ()) if one["error"] != document.get("error")]
    notes += [(_of_part(problem), "red") for problem in problems]
    if document.get("error"):
        notes.append((document["error"], "red"))
    return [Line(line, style) for text, style in notes for line in _unindented(printable(text), width)]


def _of_source(source: dict[str, Any]) -> list[str]:
    location = source["location"]
    state = [f"{location} is {source['state']}: {source['error']}"] if source["error"] else []
    return [*state, *(f"{location}, {bad['where']}: {bad['reason']}" for bad in source["rejected"])]


def _of_part(problem: dict[str, Any]) -> str:
    since = format_local(datetime.fromisoformat(problem["since"])) if problem["since"] else ""
    return f"{problem['part']}: {problem['error']}" + (f" (since {since})" if since else "")


def _of_fault(fault: dict[str, Any]) -> str:
    times = f" ({fault['count']} times)" if fault["count"] > 1 else ""
    return f"plugin {fault['plugin']}: {fault['error']}{times}"
