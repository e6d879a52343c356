"""Rows that name a preset."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from portmapper.api.errors import RowError
from portmapper.api.source import FormatOptions, Row
from portmapper.sources.policy import Policy
from portmapper.sources.presets import Preset, use_own_presets
from portmapper.sources.row_cache import RowCache
from portmapper.sources.row_parser import TooManyMappings, mappings_of


@pytest.fixture(autouse=True)
def _own() -> Iterator[None]:
    """Forget the presets of the test."""
    yield
    use_own_presets({})


def row(**fields: object) -> Row:
    """Return a strict row."""
    return Row(fields, "mapping[0]", "mapping[0].{}", strict_keys=True)


def opened(**fields: object) -> list[str]:
    """Return the ports and comments of a row."""
    return [f"{m.port}/{m.protocol.lower()} {m.comment}" for m in mappings_of(row(**fields), "x")]


def test_a_row_opens_every_port_of_its_preset() -> None:
    """The other fields of the row apply to each; the title is the comment unless the row has one."""
    assert opened(preset="WireGuard") == ["51820/udp WireGuard"]
    assert opened(preset="xmpp", comment="chat", protocol="", port=None) == ["5222/tcp chat", "5269/tcp chat"]
    assert len(mappings_of(row(preset="syncthing", family="both"), "x")) == 4
    assert mappings_of(row(preset="xmpp", enabled=False), "x") == []
    assert mappings_of(row(preset="ssh", lifetime="15m"), "x")[0].duration == 900


@pytest.mark.parametrize("field", ["port", "external_port", "protocol", "internal_port"])
def test_a_preset_has_its_own_ports(field: str) -> None:
    """The message names the field to remove."""
    with pytest.raises(RowError, match=f"remove {field} or preset") as raised:
        opened(**{"preset": "ssh", field: "80"})
    assert raised.value.field == field


def test_an_unknown_preset_rejects_the_row() -> None:
    """The message suggests the nearest one; a number is no name."""
    with pytest.raises(RowError, match=r"preset: there is no preset 'wiregard'.*wireguard"):
        opened(preset="wiregard")
    with pytest.raises(RowError, match="5 is not the name of a preset"):
        opened(preset=5)


def test_the_limit_counts_all_ports_of_a_preset() -> None:
    """A list with more mappings is rejected as a whole."""
    use_own_presets({"two": Preset(("1-10/both", "100/tcp"))})
    assert len(mappings_of(row(preset="two"), "x", 21)) == 21
    with pytest.raises(TooManyMappings):
        mappings_of(row(preset="two"), "x", 20)


def test_a_reload_changes_the_ports_of_a_row() -> None:
    """Although the row itself is the same."""
    cache = RowCache(FormatOptions(), policy=Policy())
    for port in (1, 2):
        use_own_presets({"mine": Preset((f"{port}/tcp",))})
        assert [m.port for m in cache.convert([row(preset="mine")], "x")[0]] == [port]
