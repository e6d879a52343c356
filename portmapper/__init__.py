"""Keeps ports open on the NAT gateway in front of you, over PCP, NAT-PMP and UPnP IGD.

This package is the core: it knows no protocol, no file format and no screen. Those are plugins,
found through the entry-point group ``portmapper``. Programs import `Client` or `SyncClient` from here.
"""

from __future__ import annotations

from portmapper.support.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portmapper.client.async_client import Client
    from portmapper.client.sync_client import SyncClient

__all__ = ["Client", "SyncClient", "__version__"]

__version__ = "0.1.0"

# `portmapper --version` must not pay for importing the Python API.
_LAZY = {"client.async_client": ("Client",), "client.sync_client": ("SyncClient",)}
__getattr__ = lazy_exports(__name__, _LAZY)
