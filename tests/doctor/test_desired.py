"""The ports that doctor checks, from a list or from a running daemon."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime

import attrs
import pytest

from portmapper.api.model import Family, Lease, Mapping, Protocol
from portmapper.doctor.desired import DesiredPort, desired_from_daemon, desired_from_list
from portmapper.network.host import Network
from portmapper.store.stored_lease import StoredLease

LOCAL = ipaddress.ip_address("192.168.88.10")
LEASE = Lease(
    protocol=Protocol.TCP,
    internal_address=LOCAL,
    internal_port=80,
    external_port=80,
    external_address=None,
    lifetime=3600,
    permanent=False,
    backend="pcp",
    gateway="pcp:192.168.88.1",
)


@pytest.fixture
def network(on_network: Callable[..., Network]) -> Network:
    """This host's network."""
    return on_network(f"{LOCAL}/24")


@pytest.mark.parametrize(("confirmed", "is_open"), [(True, True), (False, False)])
def test_a_listed_port_with_a_confirmed_lease_is_open(
    network: Network, desired: Callable[..., Mapping], confirmed: bool, is_open: bool
) -> None:
    """A test mapping must not replace it."""
    stored = attrs.evolve(StoredLease(LEASE, 80, datetime.now(UTC)), confirmed=confirmed)
    first, second = desired_from_list([desired(80), desired(81)], network, None, [stored])
    assert first == DesiredPort(Protocol.TCP, 80, LOCAL, 80, is_open=is_open)
    assert second == DesiredPort(Protocol.TCP, 81, LOCAL, 81)


def test_a_listed_port_for_a_network_of_another_place_is_omitted(
    network: Network, desired: Callable[..., Mapping]
) -> None:
    """This host has no address in it."""
    elsewhere = desired(80, address=ipaddress.ip_network("10.0.0.0/8"))
    assert desired_from_list([elsewhere], network, None, []) == []


def test_the_ports_of_a_daemon_come_from_its_status() -> None:
    """A mapping without an internal address is omitted."""
    mapping = {
        "protocol": "UDP",
        "wanted_external_port": 53,
        "internal_address": "2001:db8::10",
        "internal_port": 5353,
        "state": "active",
    }
    mappings = [mapping, {**mapping, "state": "pending"}, {**mapping, "internal_address": None}]
    first, second = desired_from_daemon({"mappings": mappings})
    assert (first.protocol, first.port, first.internal_port) == (Protocol.UDP, 53, 5353)
    assert (first.family, first.is_open, second.is_open) == (Family.IPV6, True, False)


@pytest.mark.parametrize(("number", "text"), [(80, "80/tcp"), (0, "8080/tcp")])
def test_a_port_is_named_by_its_external_port(number: int, text: str) -> None:
    """Or by its internal port, if any external port will do."""
    assert str(DesiredPort(Protocol.TCP, number, LOCAL, 8080)) == text
