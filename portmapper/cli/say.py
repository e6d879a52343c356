"""Sentences for people: a terminal gets them broken between words, a pipe or file as they are.

A terminal itself would break an address or a path in the middle.
"""

from __future__ import annotations

import os
import sys

from portmapper.cli.streams import as_shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a text to standard output or another stream."""
    stream = stream or sys.stdout
    print(fitted(as_shown(text, stream), width_of(stream)), file=stream)


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
