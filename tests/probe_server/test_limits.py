"""The limits of the probe server."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from portmapper.probe_server.limits import (
    MAX_ADDRESSES,
    Admission,
    Buckets,
    Limits,
    Rate,
    TooMany,
    network_of,
)

FIRST, SECOND = ip_address("192.0.2.1"), ip_address("192.0.2.2")


class Seconds:
    """A clock that the test advances."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_an_address_gets_its_rate_back() -> None:
    """After the burst, requests are possible at the rate."""
    clock = Seconds()
    admission = Admission(Limits(requests=Rate(2, 0.5)), clock)
    admission.count_request(FIRST)
    admission.count_request(FIRST)
    with pytest.raises(TooMany) as limit:
        admission.count_request(FIRST)
    assert limit.value.wait == 2
    admission.count_request(SECOND)
    clock.now = 2.0
    admission.count_request(FIRST)


def test_a_64_bit_network_is_one_address() -> None:
    """A host may have as many IPv6 addresses there as it likes."""
    one, two = ip_address("2001:db8::1"), ip_address("2001:db8::ffff:2")
    assert network_of(one) == network_of(two) != network_of(ip_address("2001:db8:0:1::1"))
    assert network_of(ip_address("0.0.0.1")) != network_of(ip_address("0:0:0:1::"))


def test_ports_and_requests_at_once_are_limited() -> None:
    """For one address, and for all."""
    admission = Admission(Limits(ports=Rate(20, 1), at_once=2, all_at_once=3), Seconds())
    with admission.serving(FIRST, 8), admission.serving(FIRST, 8):
        with pytest.raises(TooMany), admission.serving(FIRST, 1):
            pass
        with (
            admission.serving(SECOND, 1),
            pytest.raises(TooMany),
            admission.serving(ip_address("192.0.2.3"), 1),
        ):
            pass
    with pytest.raises(TooMany), admission.serving(FIRST, 5):
        pass
    with admission.serving(FIRST, 4):
        pass


def test_all_addresses_together_are_limited() -> None:
    """Many addresses do not multiply the rate."""
    admission = Admission(Limits(all_requests=Rate(100, 1)), Seconds())
    for number in range(100):
        admission.count_request(ip_address(number))
    with pytest.raises(TooMany):
        admission.count_request(ip_address(101))


def test_the_memory_is_bounded() -> None:
    """The least recent addresses are forgotten."""
    buckets = Buckets(Rate(2, 1), Seconds())
    for number in range(MAX_ADDRESSES + 100):
        buckets.take(number, 1)
    assert len(buckets._levels) == MAX_ADDRESSES
