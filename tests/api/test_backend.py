"""The backend interface."""

from __future__ import annotations

import ipaddress

import pytest

from portmapper.api.backend import Target
from portmapper.api.model import Family
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeGateway
from portmapper.testing.fake_device import FakeDevice


@pytest.mark.parametrize(("address", "family"), [("10.0.0.1", Family.IPV4), ("2001:db8::1", Family.IPV6)])
def test_a_target_has_the_family_of_our_address(address: str, family: Family) -> None:
    """Only backends of this family are called."""
    assert Target(ipaddress.ip_address(address)).family is family


def test_a_gateway_has_one_identity_from_every_address_of_this_host() -> None:
    """Leases are stored under it, and each mapping holds the same string object."""
    device = FakeDevice(FakeClock())
    one, other = (
        FakeGateway(device, "pcp", ipaddress.ip_address(local))
        for local in ("192.168.88.10", "192.168.88.11")
    )
    assert one.identity == "pcp:192.168.88.1"
    assert one.identity is other.identity
