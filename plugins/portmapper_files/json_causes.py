"""Says in plain words why a text is not JSON: people write what other programs accept."""

from __future__ import annotations

import re
from json import JSONDecodeError

from portmapper.support.text import CURLY_QUOTES
from portmapper_files.other_content import text_cause

_STRAIGHT = 'write straight double quotes: "'
_PYTHON_WORD = re.compile(r"(True|False|None)\b")
_LOWER = {"True": "true", "False": "false", "None": "null"}
_IN_WORDS = {
    "Unterminated string": "a double quote is opened and never closed: close or remove it",
    "Invalid control character": "text contains a line break or a tab: write \\n or \\t instead",
    "Invalid \\": "a backslash in a text must be written twice: \\\\",
    "Extra data": "text follows the end of the list: remove it",
    "Expecting ':'": "a colon must follow the key",
}


def json_cause(text: str, error: JSONDecodeError) -> str:
    """Return what is wrong at the place of the error, and what to write."""
    rest, before = text[error.pos : error.pos + 80].lstrip(), text[: error.pos].rstrip()
    return (
        _of_any_error(rest, before)
        or ("" if before else _other_format(text))
        or _other_table(text)
        or _of_kind(error.msg, rest, before)
    )


def _of_any_error(rest: str, before: str) -> str:
    if rest.startswith(("//", "/*", "#")):
        return "JSON cannot contain comments: remove the comment, or use TOML"
    if rest.startswith("'"):
        return "text must be in double quotes"
    if rest.startswith(CURLY_QUOTES):
        return _STRAIGHT
    # Since Python 3.13, the place is that of the comma.
    after_comma = rest.removeprefix(",").lstrip()
    if (before.endswith(",") or rest.startswith(",")) and after_comma.startswith(("]", "}")):
        return "remove the comma before the closing bracket"
    if before.endswith("}") and rest.startswith("{"):
        return "objects follow each other: write one array, [{…}, {…}]"
    return ""


def _other_format(text: str) -> str:
    if cause := text_cause(text):
        return cause
    first = text.strip().partition("\n")[0]
    is_csv = "port" in first.lower() and not first.startswith(("[", "{", '"'))
    return "it looks like CSV, use --format csv" if is_csv else ""


def _other_table(text: str) -> str:
    first = text.lstrip().partition("\n")[0].rstrip()
    is_toml = first.startswith("[[") or (first.startswith("[") and first[1:-1].isidentifier())
    return "it looks like TOML, use --format toml" if is_toml else ""


def _of_kind(message: str, rest: str, before: str) -> str:
    known = next((words for start, words in _IN_WORDS.items() if message.startswith(start)), "")
    if known:
        return known
    if not rest:
        return "the document ends too early"
    if message.startswith("Expecting property name"):
        return "a key must be in double quotes"
    if message.startswith("Expecting value"):
        return _wrong_value(rest)
    return _missing_comma(rest, before)


def _wrong_value(rest: str) -> str:
    if word := _PYTHON_WORD.match(rest):
        return f"write {_LOWER[word[1]]} instead of {word[1]}"
    return "text must be in double quotes" if rest[0].isalpha() else "a value is missing"


def _missing_comma(rest: str, before: str) -> str:
    if rest.startswith(";"):
        return "write a comma instead of ;"
    if before.endswith("0") and rest[0].isalnum():
        return "a number has decimal digits and does not begin with 0"
    if before[-1:].isdigit() and rest[0] in "-:/.,0123456789":
        return 'a range, or a port with its protocol, must be in double quotes: "6000-6010"'
    return "a comma is missing"
