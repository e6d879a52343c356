"""Says in plain words why a text is not TOML: people write what other programs accept."""

from __future__ import annotations

import re

from portmapper.support.text import CURLY_QUOTES

_PLACE = re.compile(r" \(at (?:line (?P<line>[0-9]+), column (?P<column>[0-9]+)|end of document)\)\Z")
_QUOTES = "text must be in double quotes"
_IN_WORDS = {
    "Cannot overwrite": "the key is written twice in this table: remove one",
    "Cannot mutate": "the key is written twice in this table: remove one",
    "Cannot declare": "the table is written twice: remove one",
    "Cannot redefine": "the table is written twice: remove one",
    "Expected ']": "close the name of the table, as in [[mapping]]",
    "Illegal character '\\n'": "a quote is opened and never closed: close or remove it",
    "Unterminated string": "a quote is opened and never closed: close or remove it",
    "Expected \"'": "a quote is opened and never closed: close or remove it",
    "Unescaped": "a backslash in a text must be written twice: \\\\",
    "Invalid hex": "a backslash in a text must be written twice: \\\\",
    "Unclosed": "a bracket is opened and never closed",
    "Expected '=' after": "write KEY = VALUE",
    "Invalid date": "the date or time is invalid",
    "Invalid value": "a value is missing or invalid, or a bracket is never closed",
    "Invalid statement": "write KEY = VALUE or [[mapping]]",
    "Expected newline": "only a comment may follow a value, after #",
}


def toml_mistake(text: str, error: str, of_document: str = "") -> str:
    """Return what is wrong, and what to write, with the line.

    Args:
        text: the document.
        error: the message of tomllib.
        of_document: what the document is instead, if the caller recognized it.
    """
    place = _PLACE.search(error)
    message = error[: place.start()] if place else error
    lines = text.split("\n")
    number = int(place["line"]) if place and place["line"] else len(lines)
    column = int(place["column"]) if place and place["column"] else 1
    line = lines[number - 1]
    cause = of_document or _of_line(line, line[column - 1 :].strip()) or _of_kind(message)
    return f"{cause} (line {number})"


def _of_line(line: str, rest: str) -> str:
    """Recognize mistakes by the line and its rest from the place of the error on."""
    value = line.partition("=")[2].strip()
    if line.lstrip().startswith(("//", "--", ";", "/*")) or rest.startswith(("//", "--", "/*")):
        return "a comment begins with #"
    if rest.startswith(CURLY_QUOTES) or value.startswith(CURLY_QUOTES):
        return 'write straight double quotes: "'
    if "=" in line and not value:
        return "a value is missing after ="
    if re.match(r"0[0-9_]", value):
        return "a number cannot begin with 0"
    if re.match(r"[0-9]+\s*[-:/]", value):
        return f'{_QUOTES}, such as "6000-6010"'
    if rest.startswith(":"):
        return "write = instead of :"
    if rest[:1] in (",", ";"):
        return f"write one key on each line, without {rest[0]}"
    return _QUOTES if re.match(r"[A-Za-z]", value) else ""


def _of_kind(message: str) -> str:
    known = (words for start, words in _IN_WORDS.items() if message.startswith(start))
    return next(known, "a character is invalid here")
