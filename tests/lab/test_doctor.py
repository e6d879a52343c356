"""`doctor` finds the cause of each fault, and reports nothing else."""

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
OTHER_HOST = "192.168.88.77"
NEIGHBOR = "192.168.88.9"

Examine = Callable[..., set[str]]


@pytest.fixture
def examine(lab: Lab, program: Program, tmp_path: Path) -> Examine:
    """Return a function that runs `doctor` for a list and returns the codes of warnings and errors."""

    def examine(*rows: str, listening: bool = True) -> set[str]:
        if listening:
            lab.servers.listen("TCP", PORT)
        desired = tmp_path / "ports.csv"
        desired.write_text("\n".join(("protocol;port;address", *(rows or (f"TCP;{PORT};",)))) + "\n")
        state = str(tmp_path / "state")
        result = program.run("doctor", "--json", "--state-dir", state, str(desired), timeout=60)
        findings = result.json()["findings"]
        disturbances = {f["code"] for f in findings if f["severity"] in ("warning", "error")}
        assert result.status == (1 if any(f["severity"] == "error" for f in findings) else 0), result.errors
        assert result.errors == ""
        return disturbances

    return examine


@contextlib.contextmanager
def firewall(lab: Lab, rules: str) -> Iterator[None]:
    """Add a firewall to the LAN host for a while."""
    lab.lan.run("nft", "-f", "-", stdin=rules)
    try:
        yield
    finally:
        lab.lan.run("nft", "flush", "ruleset")


def dropping(rule: str) -> str:
    """Return a firewall that drops outgoing packets."""
    return f"table inet lab {{\n chain output {{ type filter hook output priority 0; {rule} drop; }}\n}}\n"


def test_a_working_network_has_no_findings(examine: Examine, lab: Lab) -> None:
    """The test mappings are removed."""
    assert examine() == set()
    assert lab.gateway.rules() == set()


def test_upnp_off_is_reported(examine: Examine, lab: Lab) -> None:
    """NAT-PMP and PCP are enabled."""
    lab.gateway.reset(UPNP_OFF)
    assert examine() == {"upnp-off"}


def test_a_silent_gateway_is_reported(examine: Examine, lab: Lab) -> None:
    """No protocol is answered."""
    lab.gateway.kill()
    assert examine() == {"gateway-silent"}


def test_a_missing_default_route_is_reported(examine: Examine, lab: Lab) -> None:
    """The host has only an address."""
    lab.lan.ip("route", "del", "default")
    try:
        assert examine() == {"no-default-route"}
    finally:
        lab.lan.ip("route", "add", "default", "via", LAN_GATEWAY)


@pytest.mark.parametrize("variant", [IGD2_AND_PCP, UPNP_ONLY], ids=lambda variant: variant.name)
def test_blocked_multicast_is_reported(examine: Examine, lab: Lab, variant: Variant) -> None:
    """A unicast search is answered."""
    lab.gateway.reset(variant)
    with firewall(lab, dropping("ip daddr 239.255.255.250")):
        assert examine() == {"ssdp-multicast-blocked"}


@pytest.mark.parametrize("variant", [IGD2_AND_PCP, UPNP_ONLY], ids=lambda variant: variant.name)
def test_blocked_searches_are_reported(examine: Examine, lab: Lab, variant: Variant) -> None:
    """The description is still available."""
    lab.gateway.reset(variant)
    with firewall(lab, dropping("udp dport 1900")):
        assert examine() == {"ssdp-blocked"}


@pytest.mark.parametrize("variant", [IGD2_AND_PCP, UPNP_ONLY], ids=lambda variant: variant.name)
def test_a_denied_port_is_reported(examine: Examine, lab: Lab, variant: Variant) -> None:
    """The gateway's permission rules deny it."""
    rules = (f"deny {PORT} 0.0.0.0/0 0-65535", *variant.rules)
    lab.gateway.reset(dataclasses.replace(variant, rules=rules))
    assert examine() == {"port-denied"}


def test_another_hosts_address_in_secure_mode_is_reported(examine: Examine) -> None:
    """In secure mode, a host can map ports only to itself."""
    assert examine(f"TCP;{PORT};{OTHER_HOST}") == {"other-host-denied"}


def test_a_port_of_another_host_is_reported(examine: Examine, lab: Lab) -> None:
    """The gateway's table contains its host."""
    lab.gateway.reset(dataclasses.replace(IGD2_AND_PCP, secure=False))
    port = str(PORT)
    lab.lan.run("upnpc", "-u", lab.gateway.description_url, "-a", OTHER_HOST, port, port, "TCP", "600")
    assert examine() == {"port-held-by-host"}


@pytest.mark.parametrize("address", ["10.1.2.3", "100.64.1.2"], ids=["private", "shared"])
def test_another_nat_is_reported(examine: Examine, lab: Lab, address: str) -> None:
    """With such an address, miniupnpd opens no ports and does not report the address."""
    lab.router.ip("addr", "flush", "dev", "wan0")
    lab.router.ip("addr", "add", f"{address}/24", "dev", "wan0")
    try:
        lab.gateway.reset(IGD2_AND_PCP)
        assert examine() == {"double-nat"}
    finally:
        lab.router.ip("addr", "flush", "dev", "wan0")
        lab.router.ip("addr", "add", f"{WAN_GATEWAY}/24", "dev", "wan0")


def test_a_gateway_without_an_address_is_reported(examine: Examine, lab: Lab) -> None:
    """Its WAN interface has no address."""
    lab.router.ip("addr", "flush", "dev", "wan0")
    try:
        lab.gateway.reset(IGD2_AND_PCP)
        assert examine() == {"no-external-address"}
    finally:
        lab.router.ip("addr", "add", f"{WAN_GATEWAY}/24", "dev", "wan0")


def test_a_port_without_a_listener_is_reported(examine: Examine) -> None:
    """The port itself can be opened."""
    assert examine("TCP;8089;", listening=False) == {"nothing-listening"}


def test_listening_on_loopback_is_reported(examine: Examine, lab: Lab) -> None:
    """Packets of the gateway cannot reach such a program."""
    import socket

    with lab.lan.socket(socket.SOCK_STREAM) as server:
        server.bind(("127.0.0.1", 8088))
        server.listen()
        assert examine("TCP;8088;") == {"listening-on-loopback"}


def test_the_hosts_firewall_is_reported(examine: Examine, lab: Lab) -> None:
    """It accepts answers, and new connections to web ports only."""
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


def test_a_firewall_that_accepts_the_port_is_not_reported(examine: Examine, lab: Lab) -> None:
    """It accepts a range in a separate chain."""
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


def test_a_vpn_with_the_default_route_is_reported(examine: Examine, lab: Lab) -> None:
    """The old default route stays with a higher metric, as VPN clients leave it."""
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


def test_a_second_gateway_is_reported(examine: Examine, lab: Lab, tmp_path: Path) -> None:
    """An access point on the LAN is also a router."""
    options = ("--host", NEIGHBOR, "--pcp-port", "0", "--http-port", "0", "--external-host", NEIGHBOR)
    with (
        lab.guest("neighbor", NEIGHBOR) as neighbor,
        Program(neighbor, tmp_path).running("simulate", *options, log=tmp_path / "neighbor.log"),
    ):
        assert examine() == {"several-gateways"}


def test_a_running_daemon_is_good(examine: Examine, program: Program, lab: Lab, tmp_path: Path) -> None:
    """Also if a list is given; its ports are open."""
    lab.servers.listen("TCP", PORT)
    desired = tmp_path / "wanted.csv"
    desired.write_text(f"protocol;port\nTCP;{PORT}\n")
    with program.running("run", "--state-dir", str(tmp_path / "state"), str(desired), log=tmp_path / "log"):
        while not lab.gateway.rules():
            pass
        assert examine() == set()
        state = str(tmp_path / "state")
        findings = program.run("doctor", "--json", "--state-dir", state, timeout=60).json()["findings"]
        assert [f["code"] for f in findings if f["severity"] in ("warning", "error")] == []
        assert f"{PORT}/tcp is open" in [f["summary"] for f in findings]
        assert lab.reaches("TCP", PORT)
