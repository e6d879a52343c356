"""Sentences for people: a terminal gets them broken between words, a pipe or file as they are."""

from __future__ import annotations

import sys

from portmapper.cli.streams import as_shown
from portmapper.support.fitted import fitted, width_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a text to standard output or another stream."""
    stream = stream or sys.stdout
    print(fitted(as_shown(text, stream), width_of(stream)), file=stream)
