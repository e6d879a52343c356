"""Leases are compared by their port and their device."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from portmapper.api.model import Lease, Protocol
from portmapper.store.comparison import displaces

LOCAL, FORMER = ip_address("192.168.88.10"), ip_address("192.168.88.20")
IPV6 = {"internal_address": ip_address("2001:db8::10")}


def lease_at(port: int = 80, **fields: Any) -> Lease:
    """Return a lease of one TCP port for this host over PCP."""
    lease = Lease(
        protocol=Protocol.TCP,
        internal_address=LOCAL,
        internal_port=port,
        external_port=port,
        external_address=None,
        lifetime=3600,
        permanent=False,
        backend="pcp",
        gateway="pcp:192.168.88.1",
        token=f"token {port}".encode(),
    )
    return attrs.evolve(lease, **fields)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"internal_address": FORMER}, True),
        ({"internal_port": 8080}, True),
        ({}, False),
        ({"external_port": 81, "internal_address": FORMER}, False),
        ({"gateway": "pcp:192.168.99.1", "internal_address": FORMER}, False),
        (IPV6, False),
    ],
)
def test_a_lease_displaces_another_place_behind_the_same_port(other: dict[str, Any], expected: bool) -> None:
    """Only on the same device, and never a pinhole."""
    assert displaces(lease_at(), lease_at(**other)) is expected
