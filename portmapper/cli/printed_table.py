"""Prints rows as a table that fits the screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from portmapper.cli.columns import INDENT, column_names, fit, row_line
from portmapper.cli.say import say
from portmapper.cli.tables import terminal_size


def print_table(cells: Sequence[dict[str, str]], details: Mapping[int, Iterable[str]] | None = None) -> None:
    """Print rows of cells under their names; what is too wide for a row goes below it. `cells` changes.

    Args:
        cells: the cells of each row by the name of their column.
        details: more lines below a row, by its place.
    """
    below: list[list[str]] = [[] for _ in cells]
    widths = fit(cells, below, terminal_size()[0])
    print(column_names(widths))
    for place, (row, lines) in enumerate(zip(cells, below, strict=True)):
        print(row_line(row, widths))
        for line in [*lines, *(details or {}).get(place, ())]:
            say(INDENT + line)
