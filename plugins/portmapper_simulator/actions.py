"""The actions of each service with their arguments, as listed in the standards.

WANIPConnection:1 and :2 and WANPPPConnection:1 share most actions.
"""

from __future__ import annotations

import attrs

WAN_COMMON = "urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1"
WAN_IP_2 = "urn:schemas-upnp-org:service:WANIPConnection:2"
WAN_IP_1 = "urn:schemas-upnp-org:service:WANIPConnection:1"
FIREWALL_1 = "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"
WAN_PPP_1 = "urn:schemas-upnp-org:service:WANPPPConnection:1"


@attrs.frozen
class Action:
    """An action's arguments, in order."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


_KEY = ("NewRemoteHost", "NewExternalPort", "NewProtocol")
_TARGET = (
    "NewInternalPort",
    "NewInternalClient",
    "NewEnabled",
    "NewPortMappingDescription",
    "NewLeaseDuration",
)
_RANGE = ("NewStartPort", "NewEndPort", "NewProtocol", "NewManage")

CONNECTION = {
    "SetConnectionType": Action(("NewConnectionType",)),
    "GetConnectionTypeInfo": Action((), ("NewConnectionType", "NewPossibleConnectionTypes")),
    "RequestConnection": Action(),
    "ForceTermination": Action(),
    "GetStatusInfo": Action((), ("NewConnectionStatus", "NewLastConnectionError", "NewUptime")),
    "GetNATRSIPStatus": Action((), ("NewRSIPAvailable", "NewNATEnabled")),
    "GetGenericPortMappingEntry": Action(("NewPortMappingIndex",), _KEY + _TARGET),
    "GetSpecificPortMappingEntry": Action(_KEY, _TARGET),
    "AddPortMapping": Action(_KEY + _TARGET),
    "DeletePortMapping": Action(_KEY),
    "GetExternalIPAddress": Action((), ("NewExternalIPAddress",)),
}

CONNECTION_2 = CONNECTION | {
    "AddAnyPortMapping": Action(_KEY + _TARGET, ("NewReservedPort",)),
    "DeletePortMappingRange": Action(_RANGE),
    "GetListOfPortMappings": Action((*_RANGE, "NewNumberOfPorts"), ("NewPortListing",)),
}

COMMON = {
    "GetCommonLinkProperties": Action(
        (),
        (
            "NewWANAccessType",
            "NewLayer1UpstreamMaxBitRate",
            "NewLayer1DownstreamMaxBitRate",
            "NewPhysicalLinkStatus",
        ),
    ),
    "GetTotalBytesSent": Action((), ("NewTotalBytesSent",)),
    "GetTotalBytesReceived": Action((), ("NewTotalBytesReceived",)),
    "GetTotalPacketsSent": Action((), ("NewTotalPacketsSent",)),
    "GetTotalPacketsReceived": Action((), ("NewTotalPacketsReceived",)),
}

FIREWALL = {
    "GetFirewallStatus": Action((), ("FirewallEnabled", "InboundPinholeAllowed")),
    "AddPinhole": Action(
        ("RemoteHost", "RemotePort", "InternalClient", "InternalPort", "Protocol", "LeaseTime"), ("UniqueID",)
    ),
    "UpdatePinhole": Action(("UniqueID", "NewLeaseTime")),
    "DeletePinhole": Action(("UniqueID",)),
}

NUMBERS = {
    "FirewallEnabled": "boolean",
    "InboundPinholeAllowed": "boolean",
    "UniqueID": "ui2",
    "RemotePort": "ui2",
    "InternalPort": "ui2",
    "Protocol": "ui2",
    "LeaseTime": "ui4",
    "NewExternalPort": "ui2",
    "NewInternalPort": "ui2",
    "NewStartPort": "ui2",
    "NewEndPort": "ui2",
    "NewReservedPort": "ui2",
    "NewNumberOfPorts": "ui2",
    "NewPortMappingIndex": "ui2",
    "NewLeaseDuration": "ui4",
    "NewUptime": "ui4",
    "NewEnabled": "boolean",
    "NewManage": "boolean",
    "NewRSIPAvailable": "boolean",
    "NewNATEnabled": "boolean",
    "NewLayer1UpstreamMaxBitRate": "ui4",
    "NewLayer1DownstreamMaxBitRate": "ui4",
    "NewTotalBytesSent": "ui4",
    "NewTotalBytesReceived": "ui4",
    "NewTotalPacketsSent": "ui4",
    "NewTotalPacketsReceived": "ui4",
}
"""Data types of the arguments that are not strings."""

_VARIABLES = {
    "NewStartPort": "ExternalPort",
    "NewEndPort": "ExternalPort",
    "NewReservedPort": "ExternalPort",
    "NewProtocol": "PortMappingProtocol",
    "NewEnabled": "PortMappingEnabled",
    "NewLeaseDuration": "PortMappingLeaseDuration",
    "NewPortMappingIndex": "PortMappingNumberOfEntries",
    "NewNumberOfPorts": "PortMappingNumberOfEntries",
    "NewManage": "A_ARG_TYPE_Manage",
    "NewPortListing": "A_ARG_TYPE_PortListing",
}


def state_variable(argument: str) -> str:
    """Return an argument's related state variable, usually its name without `New`."""
    return _VARIABLES.get(argument, argument.removeprefix("New"))


def actions_of(kind: str) -> dict[str, Action]:
    """Return the actions of a service type."""
    if kind == WAN_COMMON:
        return COMMON
    if kind == FIREWALL_1:
        return FIREWALL
    return CONNECTION_2 if kind == WAN_IP_2 else CONNECTION
