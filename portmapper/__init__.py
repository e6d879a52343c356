"""Keeps ports open on the NAT gateway in front of you, over PCP, NAT-PMP and UPnP IGD.

This package is the core: it knows no protocol, no file format and no screen. Those are plugins,
found through the entry-point group ``portmapper``. Programs import `Client` or `SyncClient` from here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portmapper.client import Client
    from portmapper.sync_client import SyncClient

__all__ = ["Client", "SyncClient", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import the API when it is first used: `portmapper --version` needs none of it."""
    if name == "Client":
        from portmapper.client import Client

        return Client
    if name == "SyncClient":
        from portmapper.sync_client import SyncClient

        return SyncClient
    raise AttributeError(f"module 'portmapper' has no attribute {name!r}")
