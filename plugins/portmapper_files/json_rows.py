"""Reads the rows of a JSON document: an array of objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NoReturn

from portmapper.api import Row, SourceError, quoted
from portmapper_files.decoding import blaming_encoding, decode
from portmapper_files.json_causes import json_cause
from portmapper_files.lines import lines_of_elements

# 16 MiB of `[[],[],…` would become half a gigabyte of lists. 65 536 rows with all fields need fewer values.
_MAX_VALUES = 1_000_000
_MAX_DEPTH = 5
_AS_OBJECT = ': write {"port": 8080, "protocol": "tcp"}'
_AS_LIST = 'write [{"port": 8080, "protocol": "tcp"}]'


def json_rows(content: bytes) -> Iterator[Row]:
    """Yield a row for each element.

    Raises:
        SourceError: the document is not an array.
    """
    text = decode(content, "JSON")
    with blaming_encoding(text):
        elements = _load(text)
        if not isinstance(elements, list):
            raise SourceError(f"not a JSON array of objects: {_advice(elements)}")
    for index, (element, line) in enumerate(zip(elements, lines_of_elements(text), strict=True)):
        error = _error(element)
        fields = element if isinstance(element, dict) and not error else {}
        yield Row(fields, f"[{index}]", f"[{index}].{{}}", error=error, line=line)


def _error(element: object) -> str:
    if isinstance(element, _Repeated):
        return f"has the key {quoted(element.key)} twice: remove one"
    if isinstance(element, dict):
        return ""
    as_object = f': write {{"port": "{element}"}}' if _is_port(element) else _AS_OBJECT
    return f"{quoted(element)} is not an object{as_object}"


def _is_port(element: object) -> bool:
    """Return whether an element is a port with its protocol, such as "8080/tcp"."""
    return isinstance(element, str) and re.fullmatch(r"[0-9-]{1,11}/[a-z]{1,4}", element) is not None


def _load(text: str) -> object:
    if not text.strip():
        raise SourceError("empty: JSON needs at least []")
    if text.count(",") + text.count("[") + text.count("{") > _MAX_VALUES:
        raise SourceError(f"more than {_MAX_VALUES} JSON values")
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise SourceError(f"not JSON: {json_cause(text, error)} ({place})") from None
    except RecursionError:
        raise SourceError("not JSON: nested too deep") from None
    except _Constant as constant:
        line = text.count("\n", 0, text.index(str(constant))) + 1
        raise SourceError(f"not JSON: {constant} is not a JSON value: write a number (line {line})") from None
    except ValueError:
        # Python refuses to read an integer of more than 4300 digits.
        raise SourceError("not JSON: a number is too long") from None


def _advice(value: object) -> str:
    """Return what to write instead of a value that is not a list."""
    if value is None:
        return "it is null: write [] for an empty list"
    if not isinstance(value, dict):
        return f"it begins with {quoted(value)}: {_AS_LIST}"
    if "port" in value:
        return "it is one object, write it in brackets: [{…}]"
    key = _key_of_list(value)
    if key:
        return f"it is an object; its key {quoted(key)} probably holds the list: write only that array"
    keys = f"the keys {quoted(', '.join(map(str, value)))}" if value else "no key"
    return f"it is an object with {keys}: {_AS_LIST}"


def _key_of_list(value: object, depth: int = 0) -> str:
    """Return the path of the first array of objects, with dots; empty if there is none."""
    if not isinstance(value, dict) or depth > _MAX_DEPTH:
        return ""
    for key, item in value.items():
        if isinstance(item, list) and all(isinstance(element, dict) for element in item):
            return str(key)
    inner = ((key, _key_of_list(item, depth + 1)) for key, item in value.items())
    return next((f"{key}.{path}" for key, path in inner if path), "")


class _Repeated(dict[str, object]):
    """An object with two values for one key, of which JSON would silently use the second."""

    key = ""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated, seen = _Repeated(found), set()
    repeated.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return repeated


class _Constant(Exception):
    """The document has `NaN` or `Infinity`, which Python would read."""


def _refuse_constant(constant: str) -> NoReturn:
    raise _Constant(constant)
