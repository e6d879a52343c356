"""Values of the model."""

from __future__ import annotations

import ipaddress

import attrs
import pytest

from portmapper.api.external import ExternalKind, external_kind
from portmapper.api.model import Family, Lease, Mapping, MapRequest, Protocol

WEB = Mapping(Protocol.TCP, 8080, 80)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (None, ExternalKind.NONE),
        ("0.0.0.0", ExternalKind.NONE),
        ("127.0.0.1", ExternalKind.NONE),
        ("224.0.0.1", ExternalKind.NONE),
        ("100.64.0.1", ExternalKind.CGNAT),
        ("100.127.255.255", ExternalKind.CGNAT),
        ("192.168.1.1", ExternalKind.PRIVATE),
        ("8.8.8.8", ExternalKind.PUBLIC),
        ("2606:4700::1", ExternalKind.PUBLIC),
        ("fd00::1", ExternalKind.PRIVATE),
    ],
)
def test_an_external_address_is_classified(address: str | None, kind: ExternalKind) -> None:
    """Only a public address can be reached from the Internet."""
    assert external_kind(ipaddress.ip_address(address) if address else None) is kind


@pytest.mark.parametrize(("address", "family", "version"), [("10.0.0.1", "ipv4", 4), ("fd00::/8", "ipv6", 6)])
def test_a_family_follows_from_an_address_or_network(address: str, family: str, version: int) -> None:
    """And it has its IP version number."""
    value = ipaddress.ip_network(address) if "/" in address else ipaddress.ip_address(address)
    assert Family.of(value) == family
    assert Family.of(value).version == version


@pytest.mark.parametrize(
    "change", [{"duration": 60}, {"comment": "web"}, {"where": "line 9"}, {"source": "x"}]
)
def test_an_edited_mapping_keeps_its_key(change: dict[str, object]) -> None:
    """The lease stays and is renewed with the new values."""
    assert attrs.evolve(WEB, **change).key == WEB.key


@pytest.mark.parametrize("change", [{"port": 81}, {"internal_port": 81}, {"protocol": Protocol.UDP}])
def test_another_port_or_protocol_is_another_mapping(change: dict[str, object]) -> None:
    """It needs its own lease."""
    assert attrs.evolve(WEB, **change).key != WEB.key


def test_a_mapping_that_moved_in_its_list_is_equal() -> None:
    """A line inserted above it changes nothing."""
    assert attrs.evolve(WEB, where="line 3") == attrs.evolve(WEB, where="line 4")


def test_requests_and_leases_have_the_family_of_the_internal_address() -> None:
    """An IPv6 address means a pinhole."""
    host = ipaddress.ip_address("2001:db8::1")
    assert MapRequest(Protocol.TCP, host, 80, 80).family is Family.IPV6
    lease = Lease(Protocol.TCP, ipaddress.ip_address("10.0.0.1"), 80, 80, None, 60, False, "x", "x:1")
    assert lease.family is Family.IPV4
