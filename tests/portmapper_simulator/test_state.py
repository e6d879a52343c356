"""State that the servers of one gateway share."""

from __future__ import annotations

import pytest

from portmapper.api.model import Protocol
from portmapper_simulator.settings import Settings
from portmapper_simulator.state import State
from portmapper_simulator.table import Entry

UPNP_ENTRY = Entry(Protocol.TCP, 9000, "192.168.0.2", 8080, "upnp")


@pytest.fixture
async def state() -> State:
    """The state of a gateway with default settings."""
    return State(Settings(relay=False))


async def test_a_restart_clears_the_table_and_resets_the_epoch(state: State) -> None:
    """The boot id increases, so that UPnP clients notice the restart too."""
    await state.nat.open(UPNP_ENTRY)
    assert state.epoch >= 3600
    state.restart()
    assert (len(state.nat.table), state.epoch, state.boot) == (0, 0, 2)


async def test_a_muted_protocol_is_enabled_but_does_not_answer(state: State) -> None:
    """A disabled protocol is neither."""
    state.muted.add("pcp")
    assert "pcp" in state.enabled_protocols
    assert not state.is_answering("pcp")
    state.active.discard("upnp")
    assert "upnp" not in state.enabled_protocols
    assert not state.is_answering("upnp")


async def test_a_quirk_can_change_while_the_gateway_runs(state: State) -> None:
    """The quirk applies to the next request."""
    assert state.external_address == "11.22.33.44"
    state.quirks.add("S6")
    assert state.external_address == "192.168.100.2"


@pytest.mark.parametrize(("mechanism", "sees"), [("upnp", True), ("pcp", False), ("natpmp", False)])
async def test_separate_tables_hide_entries_of_the_other_side(
    state: State, mechanism: str, sees: bool
) -> None:
    """PCP and NAT-PMP share a table; UPnP has its own."""
    assert state.sees(mechanism, UPNP_ENTRY)
    state.quirks.add("tables-apart")
    assert state.sees(mechanism, UPNP_ENTRY) is sees


async def test_requests_are_recorded(state: State) -> None:
    """A test can look up what a client sent."""
    state.log_request("pcp", "MAP", "192.168.0.2", lifetime=60)
    (request,) = state.requests
    assert (request.protocol, request.action, request.details) == ("pcp", "MAP", {"lifetime": 60})
