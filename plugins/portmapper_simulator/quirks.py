"""Every quirk there is, by name; importing this file registers them all.

They are named after the behaviours of real gateways that the project collects: D discovery, H HTTP
and XML, S services, M mappings over UPnP, P PCP and NAT-PMP.
"""

from __future__ import annotations

from portmapper_simulator import http_quirks, igd_quirks, ssdp_quirks, udp_quirks
from portmapper_simulator.points import QUIRKS

__all__ = ["QUIRKS", "http_quirks", "igd_quirks", "ssdp_quirks", "udp_quirks"]
