"""A probe server on the WAN host, the real gateway, a second NAT and filters: each verdict names the cause.

lan host 192.168.88.2 -- [gateway] 11.22.33.1 -- 11.22.33.2 wan host
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from netlab.hosts import AnsweringHost
from netlab.lab import LAN_GATEWAY, LAN_HOST, WAN_GATEWAY, WAN_HOST, Lab
from netlab.outside import (
    OUTER,
    Host,
    behind_another_nat,
    dropping,
    probe_server,
    relaying,
    rules,
)
from netlab.program import Program


@pytest.fixture
def url(lab: Lab, tmp_path: Path) -> Iterator[str]:
    """A probe server on the WAN host."""
    with probe_server(lab.wan, tmp_path, WAN_HOST) as url:
        yield url


@pytest.fixture
def host(program: Program, tmp_path: Path) -> Host:
    """portmapper on the LAN host."""
    return Host(program, tmp_path)


def assert_verdict(result: dict[str, Any], state: str, *words: str) -> None:
    """Assert the state, and that the reason has these words."""
    assert result["state"] == state, result
    for word in words:
        assert word in result["reason"], result


def test_temporary_listeners_prove_open_ports(host: Host, url: str, tmp_path: Path) -> None:
    """Over TCP and UDP, through the real gateway."""
    with host.open(tmp_path, f"8100/tcp/{LAN_HOST}", f"8100/udp/{LAN_HOST}"):
        for result in host.check(url, "8100/both"):
            assert_verdict(result, "yes", "no program listens")
            assert result["seen_from"] == WAN_HOST


def test_programs_prove_open_ports(host: Host, url: str, tmp_path: Path, lab: Lab) -> None:
    """The TCP program by its connection, the UDP program by its answer and the packet."""
    servers = AnsweringHost(lab.lan)
    try:
        servers.listen("TCP", 8101)
        servers.listen("UDP", 8101)
        with host.open(tmp_path, f"8101/tcp/{LAN_HOST}", f"8101/udp/{LAN_HOST}"):
            for result in host.check(url, "8101/both"):
                assert_verdict(result, "yes", "answers")
    finally:
        servers.close()


def test_a_port_that_the_gateway_did_not_open_is_not_reachable(host: Host, url: str) -> None:
    """The gateway refuses."""
    assert_verdict(host.check(url, "8102/tcp")[0], "no", "does not forward")


@pytest.mark.parametrize(("verdict", "verb"), [("drop", "drops"), ("reject", "rejects")])
def test_the_firewall_of_this_host_is_named(
    host: Host, url: str, tmp_path: Path, lab: Lab, verdict: str, verb: str
) -> None:
    """The packets arrive at the interface, and nothing gets them."""
    text = dropping("input", "th dport 8103", verdict)
    with (
        host.open(tmp_path, f"8103/tcp/{LAN_HOST}", f"8103/udp/{LAN_HOST}"),
        rules(lab.lan, text, "inet lab"),
    ):
        for result in host.check(url, "8103/both"):
            assert_verdict(result, "no", "firewall of this host", verb)


def test_a_filter_outside_is_told_from_a_filter_here(host: Host, url: str, tmp_path: Path, lab: Lab) -> None:
    """The provider drops the packets before the gateway, and hairpin NAT works."""
    text = dropping("output", "th dport 8104")
    with host.open(tmp_path, f"8104/tcp/{LAN_HOST}"), rules(lab.wan, text, "inet lab"):
        assert_verdict(host.check(url, "8104/tcp")[0], "no", "nothing arrives", "filter")
        with relaying(lab, 8104):
            assert_verdict(host.check(url, "8104/tcp")[0], "no", "from inside", "provider")


def test_a_dead_service_on_another_host_is_refused(host: Host, url: str, tmp_path: Path, lab: Lab) -> None:
    """And a live one cannot be proven from here."""
    lab.gateway.reset(_insecure(lab))
    with lab.guest("other", "192.168.88.7") as other, host.open(tmp_path, "8105/tcp/192.168.88.7"):
        assert_verdict(host.check(url, "8105/tcp")[0], "no", "refuses", "192.168.88.7")
        with other.socket(socket.SOCK_STREAM) as program:
            program.bind(("", 8105))
            program.listen()
            assert_verdict(host.check(url, "8105/tcp")[0], "unknown", "192.168.88.7")


def _insecure(lab: Lab) -> Any:
    import dataclasses

    return dataclasses.replace(lab.gateway.variant, secure=False)


def test_a_program_on_the_wrong_address_is_named(host: Host, url: str, tmp_path: Path, lab: Lab) -> None:
    """It listens on loopback only, or only over IPv6."""
    with host.open(tmp_path, f"8106/tcp/{LAN_HOST}"):
        with lab.lan.socket(socket.SOCK_STREAM) as program:
            program.bind(("127.0.0.1", 8106))
            program.listen()
            assert_verdict(host.check(url, "8106/tcp")[0], "no", "127.0.0.1")
        with lab.lan.socket(socket.SOCK_STREAM, socket.AF_INET6) as program:
            program.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            program.bind(("::", 8106))
            program.listen()
            assert_verdict(host.check(url, "8106/tcp")[0], "no", "IPv6")


def test_a_server_of_another_family_proves_nothing(host: Host, tmp_path: Path) -> None:
    """The mapping is for IPv4."""
    with host.open(tmp_path, f"8107/tcp/{LAN_HOST}"):
        assert_verdict(host.check("http://[fd00::1]:9700", "8107/tcp")[0], "unknown", "IPv6", "IPv4")


def test_a_server_inside_proves_nothing(host: Host, tmp_path: Path, lab: Lab) -> None:
    """It reaches the host without the gateway."""
    with host.open(tmp_path, f"8108/tcp/{LAN_HOST}"), probe_server(lab.router, tmp_path, LAN_GATEWAY) as url:
        assert_verdict(host.check(url, "8108/tcp")[0], "unknown", "this side of the gateway")


@pytest.fixture
def behind_nat(lab: Lab, tmp_path: Path) -> Iterator[str]:
    """A probe server behind another NAT."""
    with behind_another_nat(lab, tmp_path) as url:
        yield url


def test_another_nat_is_proven(host: Host, behind_nat: str, tmp_path: Path, lab: Lab) -> None:
    """The internet sees another address; a stranger's open port there is no yes."""
    url = behind_nat
    with host.open(tmp_path, f"8109/tcp/{LAN_HOST}", f"8109/udp/{LAN_HOST}"):
        for result in host.check(url, "8109/both"):
            assert_verdict(result, "no", "another NAT", WAN_GATEWAY, OUTER)
        with lab.wan.socket(socket.SOCK_STREAM) as stranger:
            stranger.bind(("", 8109))
            stranger.listen()
            assert_verdict(host.check(url, "8109/tcp")[0], "no", "not this host")
        codes = host.doctor_codes(url)
        assert codes["external-address-differs"] == "error"
        assert codes["not-reachable-from-outside"] == "error"
        forward = f"add rule inet outer prerouting iifname eth1 th dport 8109 dnat ip to {WAN_GATEWAY}\n"
        lab.wan.run("nft", "-f", "-", stdin=forward)
        for result in host.check(url, "8109/both"):
            assert_verdict(result, "yes")
        codes = host.doctor_codes(url)
        assert codes["external-address-differs"] == "warning"
        assert codes["reachable-from-outside"] == "ok"


def test_doctor_checks_ports_that_no_daemon_opens(host: Host, url: str, tmp_path: Path, lab: Lab) -> None:
    """It opens test mappings for that time, and releases them."""
    desired = tmp_path / "ports.csv"
    desired.write_text(f"protocol;port;address\nTCP;8110;{LAN_HOST}\n")
    words = ("doctor", str(desired), "--probe", url, "--state-dir", host.state)
    result = host.program.run(*words, timeout=60)
    first = result.output.splitlines()[0]
    seen = f"seen from {WAN_HOST} as {WAN_GATEWAY}:8110"
    assert f"8110/tcp is reachable from outside: yes, {seen}" in first, result.output
    assert lab.gateway.rules() == set()
    assert host.doctor_codes(url)["reachable-from-outside"] == "ok"


def test_the_daemon_shows_the_result(host: Host, url: str, tmp_path: Path) -> None:
    """In JSON and on the screen; a reload without the URL ends the checks."""
    extra = f'[probe]\nurl = "{url}"\ninterval = "30s"\n'
    with host.open(tmp_path, f"8111/tcp/{LAN_HOST}", extra=extra) as running:
        running.until(lambda: host.status()["mappings"][0]["reachable"], "checked")
        document = host.status()
        reachable = document["mappings"][0]["reachable"]
        assert reachable.keys() == {"state", "at", "seen_from", "reason"}
        assert (reachable["state"], reachable["seen_from"]) == ("yes", WAN_HOST)
        assert document["probe"]["external_address"] == WAN_GATEWAY
        screen = host.program.run("status", "--state-dir", host.state).output
        assert f"from {WAN_HOST} as {WAN_GATEWAY}:8111" in screen
        settings = tmp_path / "portmapper.toml"
        settings.write_text(settings.read_text().replace(extra, ""))
        assert host.program.run("reload", "--state-dir", host.state).status == 0
        assert host.status()["mappings"][0]["reachable"] is None
