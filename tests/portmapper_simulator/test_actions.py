"""Tables of actions and state variables."""

from __future__ import annotations

import pytest

from portmapper_simulator.actions import WAN_COMMON, WAN_IP_1, WAN_IP_2, WAN_PPP_1, actions_of, state_variable


@pytest.mark.parametrize("kind", [WAN_IP_1, WAN_PPP_1])
def test_only_version_2_has_add_any_port_mapping(kind: str) -> None:
    """WANIPConnection:2 adds actions to those of version 1."""
    assert "AddAnyPortMapping" not in actions_of(kind)
    assert actions_of(kind).items() <= actions_of(WAN_IP_2).items()


def test_the_common_service_has_no_mapping_actions() -> None:
    """It has link properties and counters only."""
    assert all(name.startswith("Get") for name in actions_of(WAN_COMMON))


@pytest.mark.parametrize(
    ("argument", "variable"),
    [
        ("NewRemoteHost", "RemoteHost"),
        ("NewReservedPort", "ExternalPort"),
        ("NewEnabled", "PortMappingEnabled"),
    ],
)
def test_an_argument_has_a_state_variable(argument: str, variable: str) -> None:
    """It is the name without `New`, with exceptions."""
    assert state_variable(argument) == variable
