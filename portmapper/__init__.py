"""Keeps ports open on your NAT gateway over PCP, NAT-PMP and UPnP IGD.

This package is the core. It contains no protocol and no file format: those are plugins, found through the
entry-point group ``portmapper``. Programs import `Client` or `SyncClient` from here.
"""

from __future__ import annotations

from portmapper.support.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portmapper.client.async_client import Client
    from portmapper.client.sync_client import SyncClient

__all__ = ["Client", "SyncClient", "__version__"]

__version__ = "0.1.0"

# Importing the Python API is slow, and `portmapper --version` does not need it.
_LAZY = {"client.async_client": ("Client",), "client.sync_client": ("SyncClient",)}
__getattr__ = lazy_exports(__name__, _LAZY)
