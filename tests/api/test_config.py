"""Tables of the settings file become attrs objects, with strict checks."""

from __future__ import annotations

import enum
from pathlib import Path

import attrs
import pytest
from platforms import ROOT

from portmapper.api.config import READ, structure
from portmapper.api.errors import SettingError


class Color(enum.StrEnum):
    """An enum of text."""

    RED = "red"
    BLUE = "blue"


def _even(value: object) -> int:
    if not isinstance(value, int) or value % 2:
        raise ValueError(f"{value} is not even")
    return value


@attrs.frozen
class Inner:
    """A nested table."""

    port: int
    enabled: bool = False


@attrs.frozen
class Table:
    """One field of each supported type."""

    name: str
    ratio: float = 1.0
    color: Color = Color.RED
    file: Path | None = None
    inner: tuple[Inner, ...] = ()
    even: int = attrs.field(default=0, metadata={READ: _even})


def test_every_type_is_converted() -> None:
    """Enums are case-insensitive, and a whole number is a valid float."""
    table = {
        "name": "x",
        "ratio": 2,
        "color": "BLUE",
        "file": f"{ROOT}tmp/x",
        "inner": [{"port": 80}],
        "even": 4,
    }
    expected = Table("x", 2.0, Color.BLUE, Path(f"{ROOT}tmp/x"), (Inner(80),), 4)
    assert structure(Table, table) == expected


def test_an_empty_path_is_none() -> None:
    """An environment variable may be set and empty."""
    assert structure(Table, {"name": "x", "file": ""}) == Table("x")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (3, "3 is not a table"),
        ({}, "name: is missing"),
        ({"nam": "x"}, "nam: unknown key, did you mean name?"),
        ({"name": 3}, "name: 3 is not text"),
        ({"name": "x", "ratio": True}, "ratio: true is not a number"),
        ({"name": "x", "color": "green"}, "color: 'green' is not one of red, blue"),
        ({"name": "x", "file": "here"}, "file: 'here' is not an absolute path"),
        ({"name": "x", "file": "/a\0b"}, "file: '/a\\x00b' is not an absolute path"),
        ({"name": "x", "inner": {}}, "inner: {} is not a list"),
        ({"name": "x", "inner": [{"port": 1}, {"port": True}]}, "inner[1].port: true is not a whole number"),
        ({"name": "x", "inner": [{"port": 1, "enabled": 1}]}, "inner[0].enabled: 1 is not true or false"),
        ({"name": "x", "even": 3}, "even: 3 is not even"),
    ],
)
def test_an_error_contains_the_path_of_the_key(table: object, message: str) -> None:
    """Also in nested tables, and for a converter of the field."""
    with pytest.raises(SettingError) as caught:
        structure(Table, table)
    assert str(caught.value) == message


def test_the_path_of_the_table_is_part_of_the_error() -> None:
    """A plugin passes the path of its own table."""
    with pytest.raises(SettingError) as caught:
        structure(Inner, {"port": "80"}, ("hook", 1))
    assert caught.value.path == ("hook", 1, "port")
    assert str(caught.value) == "hook[1].port: '80' is not a whole number"
