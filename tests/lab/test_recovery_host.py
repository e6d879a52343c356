"""This host's own network changes: another address, a link that goes and comes, another gateway, a VPN."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from netlab.gateway import IGD2_AND_PCP, Rule, Variant
from netlab.keeping import Kept
from netlab.lab import LAN_GATEWAY, LAN_HOST, Lab
from netlab.other_gateway import OTHER_GATEWAY, OTHER_HOST, OTHER_WAN, other_gateway
from netlab.program import Program

BACKENDS = [
    pytest.param((), id="any"),
    *(pytest.param(("--backend", name), id=name) for name in IGD2_AND_PCP.backends),
]
NEW_ADDRESS = "192.168.88.7"


@pytest.fixture
def kept(lab: Lab, program: Program, tmp_path: Path) -> Kept:
    """Four mappings on the LAN host of the shared lab."""
    return Kept(lab, program, tmp_path)


def readdress(lab: Lab, before: str, now: str) -> None:
    """Do what a DHCP client does that was given another address."""
    lab.lan.ip("addr", "add", f"{now}/24", "dev", "eth0")
    lab.lan.ip("addr", "del", f"{before}/24", "dev", "eth0")
    lab.lan.ip("addr", "replace", f"{now}/24", "dev", "eth0")
    lab.lan.ip("route", "replace", "default", "via", LAN_GATEWAY)


@contextmanager
def vpn(lab: Lab) -> Iterator[None]:
    """Give the host a VPN's interface, whose routes are still to be made; at the end all is as it was."""
    lab.lan.ip("link", "add", "vpn0", "type", "veth", "peer", "name", "vpn1")
    try:
        lab.lan.ip("addr", "add", "10.8.0.2/24", "dev", "vpn0")
        lab.lan.ip("link", "set", "vpn0", "up")
        lab.lan.ip("link", "set", "vpn1", "up")
        yield
    finally:
        lab.lan.ip("link", "del", "vpn0")
        lab.lan.ip("route", "flush", "root", "0/0")
        lab.lan.ip("route", "add", "192.168.88.0/24", "dev", "eth0", "src", LAN_HOST)
        lab.lan.ip("route", "add", "default", "via", LAN_GATEWAY)


@pytest.mark.parametrize("secure", [True, False], ids=["secure", "not-secure"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_mappings_follow_this_hosts_address(
    kept: Kept, lab: Lab, backend: tuple[str, ...], secure: bool
) -> None:
    """Within two seconds, and nothing is left that leads to the former address.

    Over UPnP a gateway in secure mode lets nobody close what another address opened: there the former
    lease has to run out first.
    """
    if secure and "upnp" in backend:
        pytest.skip("the gateway forbids it")
    lab.gateway.reset(Variant("address", secure=secure))
    with kept.daemon(*backend, "-n", "60"):
        try:
            readdress(lab, LAN_HOST, NEW_ADDRESS)
            began = time.monotonic()
            kept.internal = NEW_ADDRESS
            took = kept.until_open(began, 10)
            clean = kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), "nothing stale", 10)
        finally:
            readdress(lab, NEW_ADDRESS, LAN_HOST)
    print("host address:", backend, f"{took:.2f} s, nothing stale after {clean:.2f} s more")
    assert took <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_link_that_comes_back_finds_everything_open(kept: Kept, lab: Lab, backend: tuple[str, ...]) -> None:
    """Within two seconds, also when the gateway lost its table meanwhile."""
    with kept.daemon(*backend, "-n", "60"):
        time.sleep(2)
        lab.lan.ip("link", "set", "eth0", "down")
        time.sleep(1)
        lab.gateway.restart()
        lab.lan.ip("link", "set", "eth0", "up")
        lab.lan.ip("route", "replace", "default", "via", LAN_GATEWAY)
        took = kept.until_open(time.monotonic(), 10)
        assert lab.gateway.rules() == kept.wanted_rules()
    print("link:", backend, f"{took:.2f} s")
    assert took <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_vpn_that_comes_and_goes_closes_nothing(kept: Kept, lab: Lab, backend: tuple[str, ...]) -> None:
    """It takes the default route, and nobody behind it maps ports."""
    with kept.daemon(*backend, "-n", "60"):
        with vpn(lab):
            # The old way out stays, less preferred, as VPN clients leave it.
            lab.lan.ip("route", "del", "default")
            lab.lan.ip("route", "add", "default", "via", LAN_GATEWAY, "metric", "100")
            lab.lan.ip("route", "add", "default", "via", "10.8.0.1", "metric", "50")
            # Answers have to go out by the gateway that the questions came through.
            lab.lan.ip("route", "add", "11.22.33.0/24", "via", LAN_GATEWAY)
            for _ in range(10):
                time.sleep(0.3)
                assert all(kept.answers(way, 0.5) or kept.answers(way, 0.5) for way in kept.ways)
            lab.gateway.restart()
            took = kept.until_open(time.monotonic(), 10)
        time.sleep(1)
        kept.until_open(time.monotonic(), 2)
        kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), "as listed", 5)
    print("vpn:", backend, f"restart behind it {took:.2f} s")
    assert took <= 2, kept.running.log


@pytest.mark.parametrize("backend", BACKENDS[1:3])
def test_a_vpn_in_place_of_the_default_route_leaves_the_leases_at_the_old_gateway(
    kept: Kept, lab: Lab, backend: tuple[str, ...]
) -> None:
    """Not even a less preferred route to it remains; a restart of the gateway behind it is made good."""
    with kept.daemon(*backend, "-n", "60"), vpn(lab):
        lab.lan.ip("route", "replace", "default", "via", "10.8.0.1")
        lab.lan.ip("route", "add", "11.22.33.0/24", "via", LAN_GATEWAY)
        time.sleep(1)
        lab.gateway.restart()
        took = kept.until_open(time.monotonic(), 10)
    print("vpn in place:", backend, f"restart behind it {took:.2f} s")
    assert took <= 2, kept.running.log


@pytest.mark.parametrize("backend", BACKENDS)
def test_another_default_route_takes_the_mappings_along(
    own_lab: Lab, tmp_path: Path, backend: tuple[str, ...]
) -> None:
    """They are opened at the new gateway within two seconds, and closed at the old one that still answers."""
    own_lab.gateway.reset(IGD2_AND_PCP)
    second = other_gateway(own_lab)
    second.reset(IGD2_AND_PCP)
    kept = Kept(own_lab, Program(own_lab.lan, tmp_path), tmp_path)
    try:
        with kept.daemon(*backend, "-n", "60"):
            own_lab.lan.ip("route", "replace", "default", "via", OTHER_GATEWAY)
            began = time.monotonic()
            kept.asks = OTHER_WAN
            desired = {Rule(*way, OTHER_HOST, way[1]) for way in kept.ways}
            kept.until(lambda: second.rules() == desired, "opened at the new gateway")
            took = kept.until_open(began, 10)
            clean = kept.until(lambda: own_lab.gateway.rules() == set(), "closed at the old", 10)
    finally:
        second.kill()
    print("default route:", backend, f"{took:.2f} s, nothing stale after {clean:.2f} s more")
    assert took <= 2
