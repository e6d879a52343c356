"""Lines of a screen as plain data: their width, and how they are printed.

rich takes longer to import than the rest of `status` to run. Therefore it is imported only for a screen that
is updated, for rare terminals, and to measure a text that is not ASCII.
"""

from __future__ import annotations

import os
import sys

from portmapper.cli.streams import as_shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    from rich.text import Text

SGR = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
"""The styles of lines, as terminals know them (ECMA-48, section 8.3.117). rich prints the same."""

_COLOR_VARIABLES = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE")


class Line:
    """One line of a screen.

    Attributes:
        text: the characters, without markup.
        style: style of the whole line, or of `span` only.
        span: first character with the style, and the one after the last; None for the whole line.
    """

    __slots__ = ("span", "style", "text")

    def __init__(self, text: str = "", style: str = "", span: tuple[int, int] | None = None) -> None:
        self.text = text
        self.style = style
        self.span = span


def can_redraw() -> bool:
    """Return whether standard output is a terminal that knows more than to print the next line."""
    return sys.stdout.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def in_encoding(lines: Sequence[Line], width: int | None, stream: IO[str]) -> list[Line]:
    """Return lines as a stream will show them: replaced characters make no line wider than `width`."""
    shown = [as_shown(line.text, stream) for line in lines]
    return [
        line if text == line.text else Line(_cut(text, width), line.style, line.span)
        for line, text in zip(lines, shown, strict=True)
    ]


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else text[: width - 3] + "..."


def print_lines(lines: Sequence[Line]) -> None:
    """Print lines, in color on a terminal."""
    if os.name != "posix" or any(name in os.environ for name in _COLOR_VARIABLES):
        _print_with_rich(lines)
        return
    print("\n".join(map(_colored, lines) if can_redraw() else (line.text for line in lines)))


def _colored(line: Line) -> str:
    start, end = line.span or (0, len(line.text))
    part = line.text[start:end]
    if not part or not line.style:
        return line.text
    return f"{line.text[:start]}\x1b[{SGR[line.style]}m{part}\x1b[0m{line.text[end:]}"


def _print_with_rich(lines: Sequence[Line]) -> None:
    """Let rich find out whether to use color, and how."""
    from rich.console import Console

    console = Console(width=max((cell_len(line.text) for line in lines), default=1))
    if console.color_system is None:
        print("\n".join(line.text for line in lines))  # rich takes ten times as long
        return
    for line in lines:
        console.print(_styled(line), soft_wrap=True)


def styled(lines: Sequence[Line]) -> Text:
    """Return lines as one text that rich draws."""
    from rich.text import Text

    return Text("\n").join(map(_styled, lines))


def _styled(line: Line) -> Text:
    from rich.text import Text

    if line.span is None:
        return Text(line.text, line.style)
    text = Text(line.text)
    text.stylize(line.style, *line.span)
    return text


def cell_len(text: str) -> int:
    """Return the columns of a terminal that a text takes; a wide character takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def truncated(text: str, width: int) -> str:
    """Cut a text that is wider than `width`, with an ellipsis at its end."""
    if cell_len(text) <= width:
        return text
    if text.isascii():
        return text[: width - 1] + "…"
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1) + "…"
