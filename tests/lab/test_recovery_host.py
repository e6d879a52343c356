"""Recovery from changes of this host's network: address, link, default route, VPN."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from netlab.firewalls import Rule
from netlab.gateway import IGD2_AND_PCP, Variant
from netlab.lab import LAN_GATEWAY, LAN_HOST, Lab
from netlab.managed_daemon import ManagedDaemon
from netlab.other_gateway import OTHER_GATEWAY, OTHER_HOST, OTHER_WAN, other_gateway
from netlab.program import Program

BACKENDS = [
    pytest.param((), id="any"),
    *(pytest.param(("--backend", name), id=name) for name in IGD2_AND_PCP.backends),
]
NEW_ADDRESS = "192.168.88.7"


@pytest.fixture
def managed(lab: Lab, program: Program, tmp_path: Path) -> ManagedDaemon:
    """A daemon with four mappings on the LAN host of the shared lab."""
    return ManagedDaemon(lab, program, tmp_path)


def readdress(lab: Lab, before: str, now: str) -> None:
    """Change the host's address as a DHCP client does."""
    lab.lan.ip("addr", "add", f"{now}/24", "dev", "eth0")
    lab.lan.ip("addr", "del", f"{before}/24", "dev", "eth0")
    lab.lan.ip("addr", "replace", f"{now}/24", "dev", "eth0")
    lab.lan.ip("route", "replace", "default", "via", LAN_GATEWAY)


@contextmanager
def vpn(lab: Lab) -> Iterator[None]:
    """Add a VPN interface without routes; restore the network at the end."""
    lab.lan.ip("link", "add", "vpn0", "type", "veth", "peer", "name", "vpn1")
    try:
        lab.lan.ip("addr", "add", "10.8.0.2/24", "dev", "vpn0")
        lab.lan.ip("link", "set", "vpn0", "up")
        lab.lan.ip("link", "set", "vpn1", "up")
        yield
    finally:
        lab.lan.ip("link", "del", "vpn0")
        lab.lan.ip("route", "flush", "root", "0/0")
        lab.lan.ip(
            "route",
            "add",
            "192.168.88.0/24",
            "dev",
            "eth0",
            "proto",
            "kernel",
            "scope",
            "link",
            "src",
            LAN_HOST,
        )
        lab.lan.ip("route", "add", "default", "via", LAN_GATEWAY)


@pytest.mark.parametrize("conflict", ["own", "take"])
@pytest.mark.parametrize("secure", [True, False], ids=["secure", "not-secure"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_mappings_follow_this_hosts_address(
    managed: ManagedDaemon, lab: Lab, backend: tuple[str, ...], secure: bool, conflict: str
) -> None:
    """The mappings move within two seconds, and none to the former address is left.

    Over UPnP, a gateway in secure mode rejects closing a mapping of another address, so that lease must
    expire first.
    """
    if secure and "upnp" in backend:
        pytest.skip("the gateway forbids it")
    lab.gateway.reset(Variant("address", secure=secure))
    with managed.daemon(*backend, "-n", "60", "--conflict", conflict):
        try:
            readdress(lab, LAN_HOST, NEW_ADDRESS)
            began = time.monotonic()
            managed.internal_address = NEW_ADDRESS
            took = managed.until_open(began, 10)
            cleaned = managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), "cleaned up", 10)
        finally:
            readdress(lab, NEW_ADDRESS, LAN_HOST)
    print("host address:", backend, f"{took:.2f} s, cleaned up after {cleaned:.2f} s more")
    assert took <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_ports_are_open_after_a_link_comes_back(
    managed: ManagedDaemon, lab: Lab, backend: tuple[str, ...]
) -> None:
    """They are open within two seconds, even if the gateway has lost its table."""
    with managed.daemon(*backend, "-n", "60"):
        time.sleep(2)
        lab.lan.ip("link", "set", "eth0", "down")
        time.sleep(1)
        lab.gateway.restart()
        lab.lan.ip("link", "set", "eth0", "up")
        lab.lan.ip("route", "replace", "default", "via", LAN_GATEWAY)
        took = managed.until_open(time.monotonic(), 10)
        managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), "as listed")
    print("link:", backend, f"{took:.2f} s")
    assert took <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_temporary_vpn_closes_no_port(managed: ManagedDaemon, lab: Lab, backend: tuple[str, ...]) -> None:
    """The VPN takes the default route, and no gateway behind it maps ports."""
    with managed.daemon(*backend, "-n", "60"):
        with vpn(lab):
            # The old default route stays with a higher metric, as VPN clients leave it.
            lab.lan.ip("route", "del", "default")
            lab.lan.ip("route", "add", "default", "via", LAN_GATEWAY, "metric", "100")
            lab.lan.ip("route", "add", "default", "via", "10.8.0.1", "metric", "50")
            # Answers must leave through the gateway that the requests came through.
            lab.lan.ip("route", "add", "11.22.33.0/24", "via", LAN_GATEWAY)
            for _ in range(10):
                time.sleep(0.3)
                closed = [endpoint for endpoint in managed.endpoints if not managed.answers(endpoint, 0.5)]
                assert all(managed.answers(endpoint, 0.5) for endpoint in closed), managed.running.log
            lab.gateway.restart()
            took = managed.until_open(time.monotonic(), 10)
        time.sleep(1)
        managed.until_open(time.monotonic(), 2)
        managed.until(lambda: lab.gateway.rules() == managed.expected_rules(), "as listed", 5)
    print("vpn:", backend, f"restart behind it {took:.2f} s")
    assert took <= 2, managed.running.log


@pytest.mark.parametrize("backend", BACKENDS[1:3])
def test_a_vpn_in_place_of_the_default_route_leaves_the_leases_at_the_old_gateway(
    managed: ManagedDaemon, lab: Lab, backend: tuple[str, ...]
) -> None:
    """No other route to the gateway remains, and the mappings still recover from its restart."""
    with managed.daemon(*backend, "-n", "60"), vpn(lab):
        lab.lan.ip("route", "replace", "default", "via", "10.8.0.1")
        lab.lan.ip("route", "add", "11.22.33.0/24", "via", LAN_GATEWAY)
        time.sleep(1)
        lab.gateway.restart()
        took = managed.until_open(time.monotonic(), 10)
    print("vpn in place:", backend, f"restart behind it {took:.2f} s")
    assert took <= 2, managed.running.log


@pytest.mark.parametrize("backend", BACKENDS)
def test_mappings_follow_the_default_route(own_lab: Lab, tmp_path: Path, backend: tuple[str, ...]) -> None:
    """They are opened on the new gateway within two seconds, and closed on the old one."""
    own_lab.gateway.reset(IGD2_AND_PCP)
    second = other_gateway(own_lab)
    second.reset(IGD2_AND_PCP)
    managed = ManagedDaemon(own_lab, Program(own_lab.lan, tmp_path), tmp_path)
    try:
        with managed.daemon(*backend, "-n", "60"):
            own_lab.lan.ip("route", "replace", "default", "via", OTHER_GATEWAY)
            began = time.monotonic()
            managed.external_address = OTHER_WAN
            desired = {Rule(*endpoint, OTHER_HOST, endpoint[1]) for endpoint in managed.endpoints}
            managed.until(lambda: second.rules() == desired, "opened on the new gateway")
            took = managed.until_open(began, 10)
            cleaned = managed.until(lambda: own_lab.gateway.rules() == set(), "closed on the old one", 10)
    finally:
        second.kill()
    print("default route:", backend, f"{took:.2f} s, cleaned up after {cleaned:.2f} s more")
    assert took <= 2
