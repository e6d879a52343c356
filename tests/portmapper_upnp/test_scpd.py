"""The kinds of service and their actions."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from portmapper_upnp.scpd import FIREWALL_CONTROL, WAN_CONNECTION

NAMESPACE = {"s": "urn:schemas-upnp-org:service-1-0"}


@pytest.mark.parametrize(
    ("kind", "service_type", "matches"),
    [
        (WAN_CONNECTION, "urn:schemas-upnp-org:service:WANIPConnection:1", True),
        (WAN_CONNECTION, "urn:schemas-upnp-org:service:wanpppconnection:2", True),
        (WAN_CONNECTION, "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1", False),
        (WAN_CONNECTION, "urn:schemas-upnp-org:service:WANIPConnection:x", False),
        (FIREWALL_CONTROL, "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1", True),
        (FIREWALL_CONTROL, "urn:schemas-upnp-org:service:WANIPConnection:1", False),
    ],
)
def test_a_kind_matches_its_service_types(kind, service_type, matches):
    """Routers differ in case; the version is a number."""
    assert bool(kind.types.fullmatch(service_type)) is matches


def test_arguments_have_the_order_of_the_standard():
    """Some routers read arguments by position (H7)."""
    actions = ET.fromstring(WAN_CONNECTION.scpd).iterfind(".//s:action", NAMESPACE)
    names = {
        action.findtext("s:name", None, NAMESPACE): [
            argument.text for argument in action.iterfind(".//s:argument/s:name", NAMESPACE)
        ]
        for action in actions
    }
    assert names["DeletePortMapping"] == ["NewRemoteHost", "NewExternalPort", "NewProtocol"]
    assert names["AddAnyPortMapping"][-2:] == ["NewLeaseDuration", "NewReservedPort"]
