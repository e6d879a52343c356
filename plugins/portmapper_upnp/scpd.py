"""The three kinds of service in use: their types, and their actions in the form of an SCPD.

A router's own SCPDs are never fetched. A device with five services would need five more requests before the
first mapping, and some SCPDs are broken. The standards fix the actions and the order of their arguments
(WANIPConnection:1 and :2, WANPPPConnection:1, WANCommonInterfaceConfig:1,
WANIPv6FirewallControl:1). A gateway refuses a missing action
with 401. Every argument is declared as text, because invalid numbers are handled here and not by a schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

Actions = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
"""Arguments in and out of each action, in the standard's order (H7)."""

_ENTRY = (
    "NewInternalPort",
    "NewInternalClient",
    "NewEnabled",
    "NewPortMappingDescription",
    "NewLeaseDuration",
)
_KEY = ("NewRemoteHost", "NewExternalPort", "NewProtocol")

_CONNECTION_ACTIONS: Actions = {
    "GetConnectionTypeInfo": ((), ("NewConnectionType", "NewPossibleConnectionTypes")),
    "GetStatusInfo": ((), ("NewConnectionStatus", "NewLastConnectionError", "NewUptime")),
    "GetExternalIPAddress": ((), ("NewExternalIPAddress",)),
    "AddPortMapping": ((*_KEY, *_ENTRY), ()),
    "AddAnyPortMapping": ((*_KEY, *_ENTRY), ("NewReservedPort",)),
    "DeletePortMapping": (_KEY, ()),
    "GetSpecificPortMappingEntry": (_KEY, _ENTRY),
    "GetGenericPortMappingEntry": (("NewPortMappingIndex",), (*_KEY, *_ENTRY)),
    "GetListOfPortMappings": (
        ("NewStartPort", "NewEndPort", "NewProtocol", "NewManage", "NewNumberOfPorts"),
        ("NewPortListing",),
    ),
}

_LINK_ACTIONS: Actions = {
    "GetCommonLinkProperties": (
        (),
        (
            "NewWANAccessType",
            "NewLayer1UpstreamMaxBitRate",
            "NewLayer1DownstreamMaxBitRate",
            "NewPhysicalLinkStatus",
        ),
    ),
}

_FIREWALL_ACTIONS: Actions = {
    "GetFirewallStatus": ((), ("FirewallEnabled", "InboundPinholeAllowed")),
    "AddPinhole": (
        ("RemoteHost", "RemotePort", "InternalClient", "InternalPort", "Protocol", "LeaseTime"),
        ("UniqueID",),
    ),
    "UpdatePinhole": (("UniqueID", "NewLeaseTime"), ()),
    "DeletePinhole": (("UniqueID",), ()),
    "GetPinholePackets": (("UniqueID",), ("PinholePackets",)),
    "CheckPinholeWorking": (("UniqueID",), ("IsWorking",)),
}


def _argument(name: str, direction: str) -> str:
    return (
        f"<argument><name>{name}</name><direction>{direction}</direction>"
        "<relatedStateVariable>Text</relatedStateVariable></argument>"
    )


def _action(name: str, inward: tuple[str, ...], outward: tuple[str, ...]) -> str:
    arguments = [_argument(argument, "in") for argument in inward]
    arguments += [_argument(argument, "out") for argument in outward]
    return f"<action><name>{name}</name><argumentList>{''.join(arguments)}</argumentList></action>"


def _scpd(actions: Actions) -> str:
    listed = "".join(_action(name, *arguments) for name, arguments in actions.items())
    return (
        f'<scpd xmlns="urn:schemas-upnp-org:service-1-0"><actionList>{listed}</actionList>'
        '<serviceStateTable><stateVariable sendEvents="no"><name>Text</name>'
        "<dataType>string</dataType></stateVariable></serviceStateTable></scpd>"
    )


class ServiceKind(NamedTuple):
    """A kind of service.

    Attributes:
        name: name for messages.
        types: pattern of the service types of this kind.
        scpd: its actions, as an SCPD document.
    """

    name: str
    types: re.Pattern[str]
    scpd: str


WAN_CONNECTION = ServiceKind(
    "WAN connection service",
    re.compile(r"urn:schemas-upnp-org:service:WAN(?:IP|PPP)Connection(?::\d{1,2})?", re.IGNORECASE),
    _scpd(_CONNECTION_ACTIONS),
)
"""Opens ports over IPv4."""

WAN_LINK = ServiceKind(
    "WAN common interface",
    re.compile(r"urn:schemas-upnp-org:service:WANCommonInterfaceConfig:\d{1,2}", re.IGNORECASE),
    _scpd(_LINK_ACTIONS),
)
"""Tells the rates of the line."""

FIREWALL_CONTROL = ServiceKind(
    "IPv6 firewall control",
    re.compile(r"urn:schemas-upnp-org:service:WANIPv6FirewallControl:\d{1,2}", re.IGNORECASE),
    _scpd(_FIREWALL_ACTIONS),
)
"""Opens IPv6 pinholes."""
