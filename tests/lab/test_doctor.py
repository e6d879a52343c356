"""`doctor` names the cause, and only that, of each fault of a real gateway and a real network."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from netlab.gateway import IGD2_AND_PCP, UPNP_OFF, UPNP_ONLY, Variant
from netlab.lab import LAN_GATEWAY, WAN_GATEWAY, Lab
from netlab.program import Program

PORT = 8080
STRANGER = "192.168.88.77"
NEIGHBOUR = "192.168.88.9"

Examine = Callable[..., set[str]]


@pytest.fixture
def examine(lab: Lab, program: Program, tmp_path: Path) -> Examine:
    """Return what asks the doctor about a list, and returns the codes of warnings and errors."""

    def examine(*rows: str, listening: bool = True) -> set[str]:
        if listening:
            lab.servers.listen("TCP", PORT)
        desired = tmp_path / "ports.csv"
        desired.write_text("\n".join(("protocol;port;address", *(rows or (f"TCP;{PORT};",)))) + "\n")
        state = str(tmp_path / "state")
        told = program.run("doctor", "--json", "--state-dir", state, str(desired), timeout=60)
        findings = told.json()["findings"]
        troubles = {f["code"] for f in findings if f["severity"] in ("warning", "error")}
        assert told.status == (1 if any(f["severity"] == "error" for f in findings) else 0), told.errors
        assert told.errors == ""
        return troubles

    return examine


@contextlib.contextmanager
def firewall(lab: Lab, rules: str) -> Iterator[None]:
    """Give the LAN host a firewall for a while."""
    lab.lan.run("nft", "-f", "-", stdin=rules)
    try:
        yield
    finally:
        lab.lan.run("nft", "flush", "ruleset")


def dropping(rule: str) -> str:
    """Return a firewall that keeps something from leaving the host."""
    return f"table inet lab {{\n chain output {{ type filter hook output priority 0; {rule} drop; }}\n}}\n"


def test_a_healthy_home_has_nothing_wrong(examine: Examine, lab: Lab) -> None:
    """And the test mappings are gone again."""
    assert examine() == set()
    assert lab.gateway.rules() == set()


def test_upnp_off_is_named(examine: Examine, lab: Lab) -> None:
    """NAT-PMP and PCP are on."""
    lab.gateway.reset(UPNP_OFF)
    assert examine() == {"upnp-off"}


def test_a_gateway_that_is_silent_is_named(examine: Examine, lab: Lab) -> None:
    """Over every protocol."""
    lab.gateway.kill()
    assert examine() == {"gateway-silent"}


def test_no_way_out_is_named(examine: Examine, lab: Lab) -> None:
    """The host has an address, and no default route."""
    lab.lan.ip("route", "del", "default")
    try:
        assert examine() == {"no-default-route"}
    finally:
        lab.lan.ip("route", "add", "default", "via", LAN_GATEWAY)


@pytest.mark.parametrize("variant", [IGD2_AND_PCP, UPNP_ONLY], ids=lambda variant: variant.name)
def test_blocked_multicast_is_named(examine: Examine, lab: Lab, variant: Variant) -> None:
    """A search straight to the gateway is answered."""
    lab.gateway.reset(variant)
    with firewall(lab, dropping("ip daddr 239.255.255.250")):
        assert examine() == {"ssdp-multicast-blocked"}


@pytest.mark.parametrize("variant", [IGD2_AND_PCP, UPNP_ONLY], ids=lambda variant: variant.name)
def test_blocked_searches_are_named(examine: Examine, lab: Lab, variant: Variant) -> None:
    """The description is there all the same."""
    lab.gateway.reset(variant)
    with firewall(lab, dropping("udp dport 1900")):
        assert examine() == {"ssdp-blocked"}


@pytest.mark.parametrize("variant", [IGD2_AND_PCP, UPNP_ONLY], ids=lambda variant: variant.name)
def test_a_denied_port_is_named(examine: Examine, lab: Lab, variant: Variant) -> None:
    """By the gateway's permission rules."""
    rules = (f"deny {PORT} 0.0.0.0/0 0-65535", *variant.rules)
    lab.gateway.reset(dataclasses.replace(variant, rules=rules))
    assert examine() == {"port-denied"}


def test_another_hosts_address_in_secure_mode_is_named(examine: Examine) -> None:
    """Each host has to ask for itself there."""
    assert examine(f"TCP;{PORT};{STRANGER}") == {"other-host-denied"}


def test_a_port_of_another_host_is_named(examine: Examine, lab: Lab) -> None:
    """The gateway's table says whose it is."""
    lab.gateway.reset(dataclasses.replace(IGD2_AND_PCP, secure=False))
    port = str(PORT)
    lab.lan.run("upnpc", "-u", lab.gateway.description_url, "-a", STRANGER, port, port, "TCP", "600")
    assert examine() == {"port-held-by-host"}


@pytest.mark.parametrize("address", ["10.1.2.3", "100.64.1.2"], ids=["private", "shared"])
def test_another_nat_is_named(examine: Examine, lab: Lab, address: str) -> None:
    """Before such an address miniupnpd opens nothing at all, and does not show which it is."""
    lab.router.ip("addr", "flush", "dev", "wan0")
    lab.router.ip("addr", "add", f"{address}/24", "dev", "wan0")
    try:
        lab.gateway.reset(IGD2_AND_PCP)
        assert examine() == {"double-nat"}
    finally:
        lab.router.ip("addr", "flush", "dev", "wan0")
        lab.router.ip("addr", "add", f"{WAN_GATEWAY}/24", "dev", "wan0")


def test_a_gateway_without_address_is_named(examine: Examine, lab: Lab) -> None:
    """Its line is down."""
    lab.router.ip("addr", "flush", "dev", "wan0")
    try:
        lab.gateway.reset(IGD2_AND_PCP)
        assert examine() == {"no-external-address"}
    finally:
        lab.router.ip("addr", "add", f"{WAN_GATEWAY}/24", "dev", "wan0")


def test_nobody_listening_is_named(examine: Examine) -> None:
    """The port could be opened."""
    assert examine("TCP;8089;", listening=False) == {"nothing-listening"}


def test_listening_on_loopback_is_named(examine: Examine, lab: Lab) -> None:
    """No packet of the gateway gets there."""
    import socket

    with lab.lan.socket(socket.SOCK_STREAM) as server:
        server.bind(("127.0.0.1", 8088))
        server.listen()
        assert examine("TCP;8088;") == {"listening-on-loopback"}


def test_the_hosts_own_firewall_is_named(examine: Examine, lab: Lab) -> None:
    """It lets answers in, and nothing new but the web."""
    rules = """table inet lab { chain input { type filter hook input priority 0; policy drop;
        ct state established,related accept
        iif lo accept
        udp sport { 1900, 5351 } accept
        tcp dport { 80, 443 } accept
    }
    }
"""
    with firewall(lab, rules):
        assert examine() == {"local-firewall"}


def test_a_firewall_that_lets_the_port_in_is_not_blamed(examine: Examine, lab: Lab) -> None:
    """By a range, in a chain of its own."""
    rules = """table inet lab {
        chain web { tcp dport 8000-8100 accept; }
        chain input { type filter hook input priority 0; policy drop;
            ct state established,related accept
            iif lo accept
            udp sport { 1900, 5351 } accept
            jump web
    }
    }
"""
    with firewall(lab, rules):
        assert examine() == set()


def test_a_vpn_that_takes_the_default_route_is_named(examine: Examine, lab: Lab) -> None:
    """The old way out stays, less preferred, as VPN clients leave it."""
    lab.lan.ip("link", "add", "tun0", "type", "veth", "peer", "name", "far0")
    try:
        lab.lan.ip("addr", "add", "10.8.0.2/24", "dev", "tun0")
        lab.lan.ip("link", "set", "tun0", "up")
        lab.lan.ip("link", "set", "far0", "up")
        lab.lan.ip("route", "del", "default")
        lab.lan.ip("route", "add", "default", "via", LAN_GATEWAY, "metric", "100")
        lab.lan.ip("route", "add", "default", "via", "10.8.0.1", "metric", "50")
        assert examine() == {"vpn-default-route"}
    finally:
        lab.lan.ip("link", "del", "tun0")
        lab.lan.ip("route", "del", "default")
        lab.lan.ip("route", "add", "default", "via", LAN_GATEWAY)


def test_a_second_gateway_is_named(examine: Examine, lab: Lab, tmp_path: Path) -> None:
    """An access point of the LAN that is a router too."""
    neighbour = lab.add_lan_host("neighbour", NEIGHBOUR)
    options = ("--host", NEIGHBOUR, "--pcp-port", "0", "--http-port", "0", "--external-host", NEIGHBOUR)
    with Program(neighbour, tmp_path).running("simulate", *options, log=tmp_path / "neighbour.log"):
        assert examine() == {"several-gateways"}


def test_another_instance_is_named(examine: Examine, program: Program, lab: Lab, tmp_path: Path) -> None:
    """One that runs for the same state directory."""
    lab.servers.listen("TCP", PORT)
    desired = tmp_path / "wanted.csv"
    desired.write_text(f"protocol;port\nTCP;{PORT}\n")
    with program.running("run", "--state-dir", str(tmp_path / "state"), str(desired), log=tmp_path / "log"):
        while not lab.gateway.rules():
            pass
        assert examine() == {"already-running"}
        state = str(tmp_path / "state")
        told = program.run("doctor", "--json", "--state-dir", state, timeout=60).json()["findings"]
        assert [f["code"] for f in told if f["severity"] in ("warning", "error")] == []
        assert f"TCP {PORT} is open" in [f["summary"] for f in told]
        assert lab.reaches("TCP", PORT)
