"""Keeps ports open on your NAT gateway over PCP, NAT-PMP and UPnP IGD.

This package is the core. It contains no protocol and no file format: those are plugins, found through the
entry-point group ``portmapper``. Programs import `Client` or `SyncClient` from here.
"""

from __future__ import annotations

from portmapper.support.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portmapper.api.errors import (
        AnotherNat,
        BackendError,
        Conflict,
        GatewayRestarted,
        GatewayTimeout,
        NetworkFailure,
        NoGateway,
        NoResources,
        NotAuthorized,
        OnlyPermanentLeases,
        PluginFault,
        PortmapperError,
        Unsupported,
        UsageError,
    )
    from portmapper.api.events import Event, EventKind
    from portmapper.api.external import ExternalKind
    from portmapper.api.model import ConflictPolicy, Family, Mapping, Protocol
    from portmapper.client.async_client import Client
    from portmapper.client.gateways import FoundGateway
    from portmapper.client.lease import Lease, LeaseState
    from portmapper.client.sync_client import SyncClient, SyncLease

__all__ = [
    "AnotherNat",
    "BackendError",
    "Client",
    "Conflict",
    "ConflictPolicy",
    "Event",
    "EventKind",
    "ExternalKind",
    "Family",
    "FoundGateway",
    "GatewayRestarted",
    "GatewayTimeout",
    "Lease",
    "LeaseState",
    "Mapping",
    "NetworkFailure",
    "NoGateway",
    "NoResources",
    "NotAuthorized",
    "OnlyPermanentLeases",
    "PluginFault",
    "PortmapperError",
    "Protocol",
    "SyncClient",
    "SyncLease",
    "Unsupported",
    "UsageError",
    "__version__",
]

__version__ = "0.2.0"

# Importing the Python API is slow, and `portmapper --version` does not need it.
_LAZY = {
    "client.async_client": ("Client",),
    "client.gateways": ("FoundGateway",),
    "client.lease": ("Lease", "LeaseState"),
    "client.sync_client": ("SyncClient", "SyncLease"),
    "api.events": ("Event", "EventKind"),
    "api.external": ("ExternalKind",),
    "api.model": ("ConflictPolicy", "Family", "Mapping", "Protocol"),
    "api.errors": (
        *("AnotherNat", "BackendError", "Conflict", "GatewayRestarted", "GatewayTimeout", "NetworkFailure"),
        *("NoGateway", "NoResources", "NotAuthorized", "OnlyPermanentLeases", "PluginFault"),
        *("PortmapperError", "Unsupported", "UsageError"),
    ),
}
__getattr__ = lazy_exports(__name__, _LAZY)
