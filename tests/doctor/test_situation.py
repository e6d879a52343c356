"""Situations in which no setting of the router helps."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from platforms import posix_only

from portmapper.doctor.situation import in_container_network, is_ds_lite, line_finding
from portmapper.network.host import DefaultRoute, Interface, Network


def network(*addresses: str, gateway: str = "") -> Network:
    """Return the network of a host with these addresses and a default route."""
    own = tuple(ipaddress.ip_interface(address) for address in addresses)
    routes = (DefaultRoute("eth0", ipaddress.ip_address(gateway)),) if gateway else ()
    return Network((Interface("eth0", own),), routes)


@pytest.mark.parametrize(
    ("address", "answer"),
    [("192.0.0.2", True), ("192.0.0.7", True), ("192.0.0.8", False), ("192.168.0.2", False), ("::1", False)],
)
def test_addresses_of_a_translator_are_known(address: str, answer: bool) -> None:
    """They are in 192.0.0.0/29."""
    assert is_ds_lite(ipaddress.ip_address(address)) is answer
    assert not is_ds_lite(None)


@pytest.mark.parametrize(
    ("addresses", "gateway", "code"),
    [
        (["192.0.0.4/32", "2001:db8::4/64"], "fe80::1", "ds-lite"),
        (["2001:db8::4/64"], "fe80::1", "ipv6-only"),
        (["192.168.1.4/24", "2001:db8::4/64"], "fe80::1", None),
        (["192.168.1.4/24"], "192.168.1.1", None),
        ([], "", None),
    ],
)
def test_the_line_is_named(addresses: list[str], gateway: str, code: str | None) -> None:
    """The only remedy is in the advice; a named gateway needs no such line."""
    found = line_finding(network(*addresses, gateway=gateway), None)
    assert (found and found.code) == code
    assert found is None or "--family ipv6" in found.advice
    assert line_finding(network(*addresses, gateway=gateway), [object()]) is None  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("mark", "link", "init", "answer"),
    [
        (".dockerenv", "12", "net:[1]", True),
        ("run/.containerenv", "12", "net:[1]", True),
        (".dockerenv", "2", "net:[1]", False),
        (".dockerenv", "12", "net:[9]", False),
        ("none", "12", "net:[1]", False),
    ],
    ids=["docker", "podman", "network=host", "a namespace inside", "no container"],
)
@posix_only("reads links of Linux")
def test_the_network_of_a_container_is_recognized(
    tmp_path: Path, mark: str, link: str, init: str, answer: bool
) -> None:
    """By the files of Docker and Podman, and by an interface whose other end is outside."""
    files = {mark: "", "sys/class/net/eth0/ifindex": "2\n", "sys/class/net/eth0/iflink": f"{link}\n"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for process, namespace in (("self", "net:[1]"), ("1", init)):
        (tmp_path / "proc" / process / "ns").mkdir(parents=True)
        (tmp_path / "proc" / process / "ns" / "net").symlink_to(namespace)
    own = network("172.17.0.2/16", gateway="172.17.0.1")
    assert in_container_network(own, tmp_path) is answer
    assert not in_container_network(network("172.17.0.2/16"), tmp_path)
