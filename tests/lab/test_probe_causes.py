"""Real faults: `status`, `probe check` and `doctor --probe` name the cause of each, and the remedy."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from netlab.hosts import AnsweringHost
from netlab.lab import LAN_HOST, WAN_GATEWAY, WAN_HOST, Lab
from netlab.outside import OUTER, Host, behind_another_nat, dropping, probe_server, relaying, rules
from netlab.program import Program

OTHER_HOST, NOBODY = "192.168.88.7", "192.168.88.8"
CHECK_TIMEOUT = 60.0
"""Seconds: a port that opens after the first round waits for the second, half a minute later."""


@dataclasses.dataclass(frozen=True)
class Situation:
    """What is wrong with a port, and what a user must learn.

    Attributes:
        row: port, protocol and internal address.
        state: whether the port is reachable.
        reason: words of the reason.
        advice: words of the doctor's advice; empty if there is none.
    """

    row: str
    state: str
    reason: tuple[str, ...]
    advice: str = ""

    @property
    def port(self) -> str:
        """Port and protocol."""
        return self.row.rpartition("/")[0]

    def assert_known(self, found: dict[str, Any], reason: str) -> None:
        """Assert the state, and that the reason has all words."""
        assert found == self.state, (self.row, reason)
        for word in self.reason:
            assert word in reason, (self.row, reason)


AT_ONCE = (
    Situation(f"8200/tcp/{LAN_HOST}", "yes", ("no program listens",)),
    Situation(f"8201/tcp/{LAN_HOST}", "yes", ("the program on 8201/tcp answers",)),
    Situation(f"8202/udp/{LAN_HOST}", "yes", ("the program on 8202/udp answers",)),
    Situation(f"8203/udp/{LAN_HOST}", "unknown", ("arrived at this host", "does not answer")),
    Situation(f"8204/tcp/{LAN_HOST}", "no", ("firewall of this host drops",), "firewall of this host"),
    Situation(f"8205/tcp/{LAN_HOST}", "no", ("firewall of this host rejects",), "firewall of this host"),
    Situation(f"8204/udp/{LAN_HOST}", "no", ("firewall of this host drops",), "firewall of this host"),
    Situation(f"8205/udp/{LAN_HOST}", "no", ("firewall of this host rejects",), "firewall of this host"),
    Situation(f"8207/tcp/{LAN_HOST}", "no", ("only on 127.0.0.1",), "on all addresses"),
    Situation(f"8208/tcp/{LAN_HOST}", "no", ("IPv6", "for IPv4"), "on all addresses"),
    Situation(f"8209/tcp/{LAN_HOST}", "no", ("nothing arrives", "provider's filter"), "provider"),
    Situation(f"8210/tcp/{LAN_HOST}", "no", ("from inside (hairpin)", "provider"), "provider"),
    Situation(f"8211/tcp/{OTHER_HOST}", "no", ("refuses", f"at {OTHER_HOST}"), OTHER_HOST),
    Situation(f"8212/tcp/{NOBODY}", "no", ("unreachable", f"no host answers at {NOBODY}"), NOBODY),
    Situation(f"8213/tcp/{LAN_HOST}", "no", ("answers, but it is not this host",), "another device"),
)


@contextlib.contextmanager
def programs(lab: Lab) -> Iterator[None]:
    """Run an answering and a silent program, and two that listen at the wrong address."""
    servers = AnsweringHost(lab.lan)
    with (
        contextlib.closing(servers),
        lab.lan.socket(socket.SOCK_DGRAM) as silent,
        lab.lan.socket(socket.SOCK_STREAM) as on_loopback,
        lab.lan.socket(socket.SOCK_STREAM, socket.AF_INET6) as over_ipv6,
    ):
        servers.listen("TCP", 8201)
        servers.listen("UDP", 8202)
        silent.bind(("", 8203))
        on_loopback.bind(("127.0.0.1", 8207))
        on_loopback.listen()
        over_ipv6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        over_ipv6.bind(("::", 8208))
        over_ipv6.listen()
        yield


@contextlib.contextmanager
def filters(lab: Lab) -> Iterator[None]:
    """Filter on the LAN host and at the provider."""
    local = dropping("input", "th dport 8204 drop; th dport 8205", "reject")
    with (
        rules(lab.lan, local, "inet lab"),
        rules(lab.wan, dropping("output", "th dport { 8209, 8210 }"), "inet lab"),
    ):
        yield


@contextlib.contextmanager
def stolen(lab: Lab, port: int) -> Iterator[None]:
    """Let the gateway forward a port to another host, in spite of the mapping."""
    accept = f"add rule inet filter miniupnpd ip daddr {OTHER_HOST} tcp dport {port} accept\n"
    lab.router.run("nft", "-f", "-", stdin=accept)
    forward = dropping("prerouting", f'iifname "wan0" tcp dport {port}', f"dnat ip to {OTHER_HOST}")
    forward = forward.replace("filter hook", "nat hook").replace("priority -5", "priority -150")
    with (
        lab.guest("stranger", OTHER_HOST) as other,
        contextlib.closing(AnsweringHost(other)) as strangers,
        rules(lab.router, forward, "inet lab"),
    ):
        strangers.listen("TCP", port)
        yield


@pytest.fixture
def host(program: Program, tmp_path: Path) -> Host:
    """portmapper on the LAN host."""
    return Host(program, tmp_path)


def settings(url: str, more: str = "") -> str:
    """Return settings with a probe server."""
    return f'[probe]\nurl = "{url}"\ninterval = "1h"\n{more}'


def assert_everywhere(host: Host, url: str, situations: tuple[Situation, ...], *options: str) -> None:
    """Assert what `status`, `probe check` and `doctor` show of each situation."""
    reachable = {f"{m['external_port']}/{m['protocol'].lower()}": m["reachable"] for m in host.mappings()}
    checked = host.check(url, *(situation.port for situation in situations), *options)
    findings = {
        finding["port"]: finding for finding in host.doctor(url, *options) if is_about_outside(finding)
    }
    for situation, result in zip(situations, checked, strict=True):
        shown, finding = reachable[situation.port], findings[situation.port]
        situation.assert_known(shown["state"], shown["reason"])
        situation.assert_known(result["state"], result["reason"])
        assert situation.advice in (finding["advice"] or ""), finding
        if situation.state == "no":
            assert finding["code"] == "not-reachable-from-outside"
            situation.assert_known("no", finding["summary"])
        else:
            assert finding["severity"] == ("ok" if situation.state == "yes" else "info")


def is_about_outside(finding: dict[str, Any]) -> bool:
    """Return whether a finding has the verdict for a port."""
    return finding["code"] in ("reachable-from-outside", "not-reachable-from-outside")


def test_each_of_many_faults_is_named(lab: Lab, host: Host, tmp_path: Path) -> None:
    """All at the same time, so that none hides another."""
    lab.gateway.reset(dataclasses.replace(lab.gateway.variant, secure=False))
    with (
        programs(lab),
        filters(lab),
        stolen(lab, 8213),
        probe_server(lab.wan, tmp_path, WAN_HOST) as url,
        host.open(tmp_path, *(situation.row for situation in AT_ONCE), extra=settings(url)) as running,
        relaying(lab, 8210),
    ):
        running.until(host.is_checked, "checked", CHECK_TIMEOUT)
        assert_everywhere(host, url, AT_ONCE)


BEHIND_NAT = (
    Situation(f"8220/tcp/{LAN_HOST}", "no", ("another NAT", WAN_GATEWAY, OUTER), "outer router"),
    Situation(f"8220/udp/{LAN_HOST}", "no", ("another NAT", WAN_GATEWAY, OUTER), "outer router"),
    Situation(f"8221/tcp/{LAN_HOST}", "no", (f"{OUTER}:8221 answers", "another NAT"), "outer router"),
    Situation(f"8221/udp/{LAN_HOST}", "no", (f"{OUTER}:8221 answers", "another NAT"), "outer router"),
    Situation(f"8222/tcp/{LAN_HOST}", "yes", ("the program on 8222/tcp answers",)),
    Situation(f"8222/udp/{LAN_HOST}", "yes", ("the program on 8222/udp answers",)),
)


def test_a_shared_address_is_named(lab: Lab, host: Host, tmp_path: Path) -> None:
    """A stranger's open port there is no yes, and a port that the outer router forwards is one."""
    servers, strangers = AnsweringHost(lab.lan), AnsweringHost(lab.wan)
    with (
        contextlib.closing(servers),
        contextlib.closing(strangers),
        behind_another_nat(lab, tmp_path) as url,
        host.open(tmp_path, *(situation.row for situation in BEHIND_NAT), extra=settings(url)) as running,
    ):
        forward = f"add rule inet outer prerouting iifname eth1 th dport 8222 dnat ip to {WAN_GATEWAY}\n"
        lab.wan.run("nft", "-f", "-", stdin=forward)
        for protocol in ("TCP", "UDP"):
            strangers.listen(protocol, 8221)
            servers.listen(protocol, 8221)
            servers.listen(protocol, 8222)
        running.until(host.is_checked, "checked", CHECK_TIMEOUT)
        assert_everywhere(host, url, BEHIND_NAT)


def test_a_missing_token_and_a_stopped_server_leave_the_port_unknown(
    lab: Lab, host: Host, tmp_path: Path
) -> None:
    """The reason is the server's, and the port is not blamed."""
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("right")
    wrong.write_text("wrong")
    refused = Situation(f"8230/tcp/{LAN_HOST}", "unknown", ("refuses: the token is missing or invalid",))
    with probe_server(lab.wan, tmp_path, WAN_HOST, "--token-file", str(right)) as url:
        extra = settings(url, f'token_file = "{wrong}"\n')
        with host.open(tmp_path, refused.row, extra=extra) as running:
            running.until(host.is_checked, "checked", CHECK_TIMEOUT)
            assert_everywhere(host, url, (refused,), "--token-file", str(wrong))
    stopped = dataclasses.replace(refused, reason=("cannot connect", "Connection refused"))
    with host.open(tmp_path, stopped.row, extra=settings(url)) as running:
        running.until(host.is_checked, "checked", CHECK_TIMEOUT)
        assert_everywhere(host, url, (stopped,))
