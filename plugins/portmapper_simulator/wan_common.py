"""WANCommonInterfaceConfig:1: what the line is, and what went through."""

from __future__ import annotations

from collections.abc import Mapping

from portmapper_simulator.state import State

COUNTER = 2**32
BIT_RATE = 100_000_000


def call_common(state: State, action: str) -> Mapping[str, str]:
    """Do an action; the counters wrap at 32 bits, as the standard's do."""
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
