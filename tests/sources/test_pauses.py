"""Paused rows: which pause belongs to which row."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

import attrs
import pytest

from portmapper.api.model import ANY_PORT, Mapping, MappingState, Protocol
from portmapper.sources.adhoc import COMMAND_LINE
from portmapper.sources.pauses import pause_gate, pause_key

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEB = Mapping(Protocol.TCP, 8080, 80, source="ports.csv")
ANY = Mapping(Protocol.UDP, ANY_PORT, 6881, source="ports.csv")


def test_a_paused_row_is_held_back_with_its_reason() -> None:
    """The reason names the command that ends the pause."""
    verdict = pause_gate({pause_key(WEB): NOW})(WEB, NOW)
    assert verdict.state is MappingState.PAUSED
    assert verdict.reason.startswith("paused since 2026-06-01 ")
    assert verdict.reason.endswith("Run 'portmapper resume 8080/tcp' to open it.")


@pytest.mark.parametrize(
    "change",
    [
        {"internal_port": 81},
        {"comment": "x"},
        {"duration": 60},
        {"address": ipaddress.ip_address("10.0.0.2")},
    ],
)
def test_an_edit_of_a_paused_row_does_not_open_it(change: dict[str, object]) -> None:
    """A pause is for a port, not for a line of the list."""
    edited = attrs.evolve(WEB, **change)
    assert pause_gate({pause_key(WEB): NOW})(edited, NOW).state is MappingState.PAUSED


def test_rows_for_any_port_are_told_apart_by_their_internal_port() -> None:
    """All of them have the same external port: any."""
    gate = pause_gate({pause_key(ANY): NOW})
    assert gate(ANY, NOW).state is MappingState.PAUSED
    assert gate(attrs.evolve(ANY, internal_port=6882), NOW).state is None


@pytest.mark.parametrize("change", [{"protocol": Protocol.UDP}, {"port": 8081}, {"source": COMMAND_LINE}])
def test_other_mappings_pass(change: dict[str, object]) -> None:
    """Another port, the other protocol, and what `open` requested."""
    assert pause_gate({pause_key(WEB): NOW})(attrs.evolve(WEB, **change), NOW).state is None
