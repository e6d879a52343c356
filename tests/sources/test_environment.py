"""The ports in PORTMAPPER_PORTS are a source."""

from __future__ import annotations

import pytest

from portmapper.api.source import FormatOptions
from portmapper.sources.environment import VARIABLE, EnvironmentSource, is_set
from portmapper.sources.reader import SourceReader


@pytest.mark.parametrize(
    "text", ["8080/tcp,27015/udp", "8080, 27015/udp", " 8080;27015/UDP\n", "8080/tcp 27015/udp,"]
)
async def test_ports_are_separated_by_commas_or_spaces(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """As people write them in a template; the default protocol is TCP."""
    monkeypatch.setenv(VARIABLE, text)
    reading = await SourceReader(EnvironmentSource(), (), "auto", FormatOptions()).read()
    assert [(m.port, m.protocol, m.source) for m in reading.mappings] == [
        (8080, "TCP", VARIABLE),
        (27015, "UDP", VARIABLE),
    ]


async def test_an_item_may_be_a_range_and_have_an_internal_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid item is rejected with its place; the others are used."""
    monkeypatch.setenv(VARIABLE, "80:8080/tcp,90-91/both,x/tcp,1:/tcp")
    reading = await SourceReader(EnvironmentSource(), (), "auto", FormatOptions()).read()
    assert [(m.port, m.internal_port) for m in reading.mappings][:2] == [(80, 8080), (90, 90)]
    assert len(reading.mappings) == 5
    assert [bad.where for bad in reading.rejected] == ["port 3, port", "port 4, internal_port"]


@pytest.mark.parametrize(("text", "expected"), [("", False), (" , ", False), ("80", True)])
def test_an_empty_variable_is_no_list(monkeypatch: pytest.MonkeyPatch, text: str, expected: bool) -> None:
    """Templates set it to nothing."""
    monkeypatch.setenv(VARIABLE, text)
    assert is_set() == expected


def test_no_location_refers_to_it() -> None:
    """It is created only for the variable."""
    assert not EnvironmentSource.claims(VARIABLE)
