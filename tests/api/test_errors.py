"""Messages of errors: untrusted values are quoted, and paths are readable."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from portmapper.api.errors import (
    UNREACHABLE,
    AnotherNat,
    BackendError,
    Conflict,
    GatewayTimeout,
    NotAuthorized,
    RowError,
    SettingError,
    dotted,
    quoted,
)
from portmapper.api.model import Protocol, TableEntry


@pytest.mark.parametrize(
    "value",
    ["x" * 1000, "a\nb\x1b[2J", 10**5000, ["x" * 1000] * 1000, b"\x00" * 1000],
    ids=["long text", "escapes", "large number", "nested", "bytes"],
)
def test_a_quoted_value_is_one_short_line(value: object) -> None:
    """The value comes from a document or a gateway and can be anything."""
    text = quoted(value)
    assert text.isprintable()
    assert len(text) < 500


def test_a_short_value_is_quoted_completely() -> None:
    """Text in quotes, so that spaces are visible."""
    assert quoted(" 80") == "' 80'"
    assert quoted(80) == "80"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (None, "null"),
        (float("inf"), "infinity"),
        (80.5, "80.5"),
        ({"a": 1}, "{…}"),
        ({}, "{}"),
        ([1, {"a": 1}], "[1, {…}]"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        (time(12, 0), "12:00:00"),
    ],
)
def test_a_value_of_a_list_is_shown_as_a_list_writes_it(value: object, shown: str) -> None:
    """Not as Python writes it: `None`, `True`, `datetime.date(2026, 1, 2)`."""
    assert quoted(value) == shown


def test_the_path_of_a_key_is_written_as_in_toml() -> None:
    """With the index of a table in an array."""
    assert dotted(("hook", 1, "run")) == "hook[1].run"
    assert dotted(()) == ""


def test_a_setting_error_starts_with_the_place() -> None:
    """File and line come first, as editors expect it."""
    error = SettingError(("log", "level"), "'x' is invalid", "/etc/p.toml:3")
    assert str(error) == "/etc/p.toml:3: log.level: 'x' is invalid"
    assert str(SettingError((), "is invalid")) == "is invalid"


def test_a_row_error_names_its_field() -> None:
    """The field is empty if the error concerns the whole row."""
    assert str(RowError("port", "is missing")) == "port: is missing"
    assert str(RowError("", "3 fields")) == "3 fields"


def test_a_conflict_has_its_holder() -> None:
    """The scheduler replaces it if it is ours."""
    holder = TableEntry(Protocol.TCP, 80)
    error = Conflict("taken", holder=holder, code=718, retry_after=5.0)
    assert (error.holder, error.code, error.retry_after) == (holder, 718, 5.0)


@pytest.mark.parametrize(
    ("error", "is_unreachable"),
    [
        (AnotherNat("other"), True),
        (GatewayTimeout("late"), True),
        (NotAuthorized("no"), False),
        (BackendError("?"), False),
    ],
)
def test_unreachable_gateways_are_told_apart_from_refusals(error: BackendError, is_unreachable: bool) -> None:
    """A refusal is an answer: the gateway is there."""
    assert isinstance(error, UNREACHABLE) is is_unreachable


def test_a_quoted_url_shows_no_secret() -> None:
    """Not even if it is too long to show, or inside a list."""
    long = f"https://me:{'s3cret' * 20}@example.org/list"
    assert "s3cret" not in quoted(long) + quoted({"url": [long]})
    assert quoted([long[:60] + "@h/?key=1"]) == "['https://***@h/?***']"
