"""Fuzz the parsers for announcements of PCP and NAT-PMP."""

from __future__ import annotations

import ipaddress

from harness import fuzz, instrumented

with instrumented():
    from portmapper.api.backend import GatewayEvent, Target
    from portmapper_pcp.nat_pmp import NatPmpGateway
    from portmapper_pcp.pcp import PcpGateway


SEEDS = [
    bytes.fromhex("0280000000000000 00000001" + 24 * "0"),
    bytes.fromhex("0080000000000001 0b16212c"),
]
TARGET = Target(ipaddress.ip_address("192.168.1.2"), gateway=ipaddress.ip_address("192.168.1.1"))
GATEWAYS = (PcpGateway(TARGET), NatPmpGateway(TARGET))


def parse(data: bytes) -> None:
    """Parse a datagram as an announcement for each protocol."""
    for gateway in GATEWAYS:
        event = gateway._read_announcement(data)
        assert event is None or isinstance(event, GatewayEvent)


if __name__ == "__main__":
    fuzz(parse, SEEDS)
