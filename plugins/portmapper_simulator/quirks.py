"""All quirks by name; importing this module registers them.

The names refer to the collected behaviors of real gateways: D discovery, H HTTP and XML, S services,
M mappings over UPnP, P PCP and NAT-PMP. The modules are named after the part of the gateway that is odd.
"""

from __future__ import annotations

from portmapper_simulator import (
    answer_quirks,
    body_quirks,
    call_quirks,
    description_quirks,
    http_quirks,
    lease_quirks,
    mapping_quirks,
    service_quirks,
    ssdp_quirks,
    table_quirks,
    udp_quirks,
)
from portmapper_simulator.quirk_points import QUIRKS

__all__ = [
    "QUIRKS",
    "answer_quirks",
    "body_quirks",
    "call_quirks",
    "description_quirks",
    "http_quirks",
    "lease_quirks",
    "mapping_quirks",
    "service_quirks",
    "ssdp_quirks",
    "table_quirks",
    "udp_quirks",
]
