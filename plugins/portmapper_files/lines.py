"""Finds the line of each row in a valid document: no parser of the standard library reports it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

_SPACE = re.compile(r"[ \t\r\n]*")
_TABLE = re.compile(r"[ \t]*\[\[[ \t]*(?:mapping|\"mapping\"|'mapping')[ \t]*\]\]", re.MULTILINE)


def lines_of_elements(text: str) -> Iterator[int]:
    """Yield the line of each element of a JSON array; the text has been parsed before."""
    decoder = json.JSONDecoder()
    place, line, counted = text.index("[") + 1, 1, 0
    while True:
        place = _after_space(text, place)
        if text[place] == "]":
            return
        line, counted = line + text.count("\n", counted, place), place
        yield line
        _, place = decoder.raw_decode(text, place)
        place = _after_space(text, place)
        if text[place] == ",":
            place += 1


def _after_space(text: str, place: int) -> int:
    return _SPACE.match(text, place).end()  # type: ignore[union-attr]


def lines_of_tables(text: str, count: int) -> Sequence[int]:
    """Return the line of each `[[mapping]]`; zeros if the text has another number of them.

    It can be written in another way, such as `mapping = [{port = 80}]`, or stand in a text of several lines.
    """
    lines = [number for number, line in enumerate(text.split("\n"), 1) if _TABLE.match(line)]
    return lines if len(lines) == count else [0] * count
