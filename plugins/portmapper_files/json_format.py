"""The JSON format: an array of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NoReturn

from portmapper.api import Format, FormatOptions, Row, SourceError, quoted

# 16 MiB of `[[],[],…` would become half a gigabyte of lists. 65 536 rows with all fields need fewer values.
_MAX_VALUES = 1_000_000


class JsonFormat(Format):
    """JSON compatible with upnp-daemon; unknown keys are ignored."""

    name = "json"
    suffixes = (".json",)
    content_types = ("application/json", "text/json")

    def parse(self, content: bytes, options: FormatOptions) -> Iterator[Row]:
        """Yield a row for each element; an empty document is an error."""
        elements = _load(content)
        if not isinstance(elements, list):
            raise SourceError(f"not a JSON array of objects: it begins with {quoted(elements)}")
        for index, element in enumerate(elements):
            if isinstance(element, dict):
                yield Row(element, f"[{index}]", f"[{index}].{{}}")
            else:
                yield Row({}, f"[{index}]", f"[{index}].{{}}", error=f"{quoted(element)} is not an object")


def _load(content: bytes) -> object:
    if not content.strip():
        raise SourceError("empty: JSON needs at least []")
    if content.count(b",") + content.count(b"[") + content.count(b"{") > _MAX_VALUES:
        raise SourceError(f"more than {_MAX_VALUES} JSON values")
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise SourceError(f"not UTF-8 text (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise SourceError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise SourceError("not JSON: nested too deep") from None
    except ValueError as error:
        raise SourceError(f"not JSON: {error}") from None


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")
