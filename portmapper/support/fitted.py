"""Breaks lines for a narrow terminal between words: a terminal itself would break an address or a path."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def fitted(text: str, width: int | None, indent: int = 2) -> str:
    """Break the lines that are wider than `width` between words; what follows a break is indented."""
    if width is None or all(len(line) <= width for line in text.split("\n")):
        return text
    return "\n".join(_broken(line, width, indent) for line in text.split("\n"))


def _broken(line: str, width: int, indent: int) -> str:
    import textwrap  # only for a narrow terminal

    start = len(line) - len(line.lstrip())
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * (start + indent),
        break_long_words=False,
        break_on_hyphens=False,
        expand_tabs=False,
    )


def width_of(stream: TextIO) -> int | None:
    """Return the columns of a terminal; None for a pipe or file."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError, AttributeError):  # not a terminal, or closed
        return None
