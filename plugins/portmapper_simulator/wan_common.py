"""WANCommonInterfaceConfig:1: link properties and traffic counters."""

from __future__ import annotations

from collections.abc import Mapping

from portmapper_simulator.state import State

COUNTER = 2**32
BIT_RATE = 100_000_000


def call_common(state: State, action: str) -> Mapping[str, str]:
    """Run an action; counters wrap at 32 bits, as in the standard."""
    traffic = state.nat.traffic
    counters = {
        "GetTotalBytesSent": ("NewTotalBytesSent", traffic.bytes_out),
        "GetTotalBytesReceived": ("NewTotalBytesReceived", traffic.bytes_in),
        "GetTotalPacketsSent": ("NewTotalPacketsSent", traffic.packets_out),
        "GetTotalPacketsReceived": ("NewTotalPacketsReceived", traffic.packets_in),
    }
    if action in counters:
        name, count = counters[action]
        return {name: str(count % COUNTER)}
    return {
        "NewWANAccessType": "Ethernet",
        "NewLayer1UpstreamMaxBitRate": str(BIT_RATE),
        "NewLayer1DownstreamMaxBitRate": str(BIT_RATE),
        "NewPhysicalLinkStatus": "Up",
    }
