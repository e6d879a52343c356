"""Rows become mappings: unchanged rows are cached, and duplicates are rejected."""

from __future__ import annotations

import pytest

from portmapper.api.errors import RowError, SourceError
from portmapper.api.model import Family
from portmapper.api.reading import Rejected
from portmapper.api.source import FormatOptions, Row
from portmapper.sources.policy import Action, Policy, Rule
from portmapper.sources.row_cache import MAX_ROWS, RowCache, rejected_row


def rows(*texts: str) -> list[Row]:
    """Return a row for each text such as `80/tcp`."""
    return [
        Row(
            dict(zip(("port", "protocol"), text.split("/"), strict=True)),
            f"line {n}",
            f"line {n}, column {{}}",
        )
        for n, text in enumerate(texts, 1)
    ]


@pytest.fixture
def cache() -> RowCache:
    """A cache without a policy."""
    return RowCache(FormatOptions(), Policy())


def test_an_unchanged_row_is_the_same_mapping(cache: RowCache) -> None:
    """Only the edited row is parsed again."""
    first, _ = cache.convert(rows("80/tcp", "81/tcp", "82/tcp"), "here")
    second, _ = cache.convert(rows("80/tcp", "81/udp", "82/tcp"), "here")
    assert [a is b for a, b in zip(first, second, strict=True)] == [True, False, True]


def test_equal_values_of_different_types_are_different_rows(cache: RowCache) -> None:
    """In Python 80 and 80.0 are equal, but only 80 is a valid port."""

    def convert(**fields: object) -> list[Rejected]:
        return cache.convert([Row({"protocol": "tcp", **fields}, "[0]", "[0].{}")], "here")[1]

    assert convert(port=80) == []
    assert convert(port=80, comment=[])[0].where == "[0].comment"
    assert convert(port=80.0)[0].where == "[0].port"


def test_a_duplicate_is_rejected_and_names_the_first(cache: RowCache) -> None:
    """The other protocol of a port is no duplicate, and a range keeps its other ports."""
    mappings, rejected = cache.convert(rows("80/tcp", "80/udp", "80/TCP", "79-81/tcp"), "here")
    assert [(m.port, m.protocol) for m in mappings] == [(80, "TCP"), (80, "UDP"), (79, "TCP"), (81, "TCP")]
    assert rejected == [Rejected("line 3", "same as line 1"), Rejected("line 4", "same as line 1")]


def test_port_any_is_no_duplicate_with_another_internal_port(cache: RowCache) -> None:
    """The gateway grants a different external port for each."""
    desired = [
        Row({"port": "any", "protocol": "tcp", "internal_port": port}, f"[{n}]", f"[{n}].{{}}")
        for n, port in enumerate([80, 81, 80])
    ]
    mappings, rejected = cache.convert(desired, "here")
    assert [m.internal_port for m in mappings] == [80, 81]
    assert rejected == [Rejected("[2]", "same as [0]")]


def test_a_denied_row_is_rejected() -> None:
    """The reason names the rule."""
    cache = RowCache(FormatOptions(), Policy((Rule(Action.DENY, port=range(80, 81)),)))
    mappings, rejected = cache.convert(rows("79-80/tcp", "81/tcp"), "here")
    assert [m.port for m in mappings] == [81]
    assert rejected == [Rejected("line 1", "denied by policy[0] (deny port 80)")]


def test_a_row_without_a_family_gets_the_default_families() -> None:
    """Both, if the user wants both."""
    cache = RowCache(FormatOptions(families=(Family.IPV4, Family.IPV6)), Policy())
    assert [m.family for m in cache.convert(rows("80/tcp"), "here")[0]] == ["ipv4", "ipv6"]


def test_an_incomplete_last_row_is_an_error_of_the_document(cache: RowCache) -> None:
    """The file is still being written: the last valid list stays. In the first document it is rejected."""
    last = Row({"port": "8", "protocol": "t"}, "line 2", "line 2, column {}", unfinished=True)
    assert len(cache.convert([last], "here")[1]) == 1
    cache.convert(rows("80/tcp"), "here")
    with pytest.raises(SourceError, match="line 2: the row is incomplete: "):
        cache.convert([*rows("80/tcp"), last], "here")


def test_what_is_not_a_row_is_a_bug_of_the_format(cache: RowCache) -> None:
    """The caller records it as a fault of the plugin."""
    with pytest.raises(TypeError, match="7 is not a row"):
        cache.convert([7], "here")  # type: ignore[list-item]


def test_the_number_of_rows_is_limited(cache: RowCache) -> None:
    """More rows are an error of the document as a whole."""
    with pytest.raises(SourceError, match=f"more than {MAX_ROWS} rows"):
        cache.convert((Row({}, "x", "x", error="bad") for _ in range(MAX_ROWS + 1)), "here")


def test_a_rejected_row_has_the_place_of_its_field() -> None:
    """An untrusted key is escaped; without a field it is the place of the row."""
    row = Row({}, "mapping[0]", "mapping[0].{}")
    assert rejected_row(row, RowError("port", "bad")) == Rejected("mapping[0].port", "bad")
    assert rejected_row(row, RowError("", "bad")) == Rejected("mapping[0]", "bad")
    assert rejected_row(row, RowError("x\x1b{}\n", "bad")).where.isprintable()
