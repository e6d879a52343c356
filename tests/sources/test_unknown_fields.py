"""Unknown keys and columns are ignored, and reported once."""

from __future__ import annotations

from portmapper.api.reading import Rejected
from portmapper.api.source import FormatOptions, Row
from portmapper.sources.policy import Policy
from portmapper.sources.row_cache import RowCache
from portmapper.sources.unknown_fields import MAX_SHOWN


def warnings_of(*rows: dict[str, object]) -> list[Rejected]:
    """Convert rows of JSON and return the warnings."""
    cache = RowCache(FormatOptions(), Policy())
    placed = [Row(fields, f"[{n}]", f"[{n}].{{}}", line=n + 1) for n, fields in enumerate(rows)]
    cache.convert(placed, "ports.json")
    return cache.warnings


def test_an_unknown_key_is_reported_once_with_what_was_meant() -> None:
    """The row is used: upnp-daemon ignores unknown keys too."""
    row = {"port": 80, "protocol": "tcp", "coment": "x"}
    assert warnings_of(row, {**row, "port": 81, "owner": "me"}) == [
        Rejected("[0].coment", "unknown, ignored: did you mean comment?", 1),
        Rejected("[1].owner", "unknown, ignored", 2),
    ]


def test_a_list_of_others_cannot_fill_the_log() -> None:
    """Only the first names are reported."""
    row: dict[str, object] = {"port": 80, "protocol": "tcp", **{f"key{n}": n for n in range(1000)}}
    assert len(warnings_of(row)) == MAX_SHOWN
