"""All quirks by name; importing this module registers them.

The names refer to the collected behaviors of real gateways: D discovery, H HTTP and XML, S services,
M mappings over UPnP, P PCP and NAT-PMP.
"""

from __future__ import annotations

from portmapper_simulator import (
    field_quirks,
    http_quirks,
    igd_quirks,
    odd_quirks,
    row_quirks,
    ssdp_quirks,
    udp_quirks,
)
from portmapper_simulator.quirk_points import QUIRKS

__all__ = [
    "QUIRKS",
    "field_quirks",
    "http_quirks",
    "igd_quirks",
    "odd_quirks",
    "row_quirks",
    "ssdp_quirks",
    "udp_quirks",
]
