"""A misspelled or translated name of a field means one of the fields."""

from __future__ import annotations

import attrs
import pytest

from portmapper.api.field_names import FIELD_NAMES, meant_field
from portmapper.sources.preset_rows import PRESET
from portmapper.sources.row_parser import ALIASES, ParsedRow


def test_every_field_has_its_name() -> None:
    """The fields that are parsed, their other names, and the preset."""
    parsed = {field.name for field in attrs.fields(ParsedRow)}
    assert parsed | {*ALIASES, PRESET} == {*FIELD_NAMES}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Port", "port"),
        ("ports", "port"),
        ("internalPort", "internal_port"),
        ("external", "external_port"),
        ("protcol", "protocol"),
        ("prtocol", "protocol"),
        ("Protokoll", "protocol"),
        ("ip", "address"),
        ("adress", "address"),
        ("ttl", "lifetime"),
        ("lifetme", "lifetime"),
        ("description", "comment"),
        ("owner", ""),
        ("id", ""),
        ("", ""),
        ("x" * 100_000, ""),
    ],
)
def test_a_name_means_a_field(name: str, meant: str) -> None:
    """Routers, other programs and other languages have names of their own."""
    assert meant_field(name) == meant
