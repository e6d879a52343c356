"""Leases are compared by their port and their device."""

from __future__ import annotations

from typing import Any

import pytest
from stored_leases import FORMER, IPV6, lease_at

from portmapper.store.comparison import displaces


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
