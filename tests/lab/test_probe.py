"""A probe server on the WAN host, the real gateway, a second NAT and filters: each verdict names the cause.

    lan host 192.168.88.2 -- [gateway] 11.22.33.1 -- 11.22.33.2 wan host

Behind a second NAT, the gateway's external address is 11.22.33.1, and the internet sees 11.55.66.1:

    lan host -- [gateway] 11.22.33.1 -- 11.22.33.2 [second NAT] 11.55.66.1 -- 11.55.66.2 server
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from netlab.hosts import AnsweringHost
from netlab.lab import LAN_GATEWAY, LAN_HOST, WAN_GATEWAY, WAN_HOST, Lab
from netlab.namespaces import Namespace, cable
from netlab.program import Program, Running

from portmapper.probe.wire import order_datagram

PROBE_PORT = 9700
OUTER, SERVER = "11.55.66.1", "11.55.66.2"
OUTER_NAT = """
table inet outer {
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "eth1" masquerade
    }
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
    }
}
"""


@contextlib.contextmanager
def probe_server(host: Namespace, tmp_path: Path, address: str) -> Iterator[str]:
    """Run `probe serve` on a host; yield its URL."""
    program = Program(host, tmp_path)
    words = ("probe", "serve", "--listen", f"{address}:{PROBE_PORT}", "--json")
    with program.running(*words, log=tmp_path / "server.log") as running:
        running.until(lambda: running.output.endswith("\n"), "ready")
        yield json.loads(running.output)["url"]


@pytest.fixture
def url(lab: Lab, tmp_path: Path) -> Iterator[str]:
    """A probe server on the WAN host."""
    with probe_server(lab.wan, tmp_path, WAN_HOST) as url:
        yield url


@contextlib.contextmanager
def rules(host: Namespace, text: str, table: str) -> Iterator[None]:
    """Add a table of nftables to a host for a while."""
    host.run("nft", "-f", "-", stdin=text)
    try:
        yield
    finally:
        host.run("nft", "delete", "table", *table.split())


def dropping(hook: str, rule: str, verdict: str = "drop") -> str:
    """Return a table that drops packets."""
    return f"table inet lab {{\n chain c {{ type filter hook {hook} priority -5; {rule} {verdict}; }}\n}}\n"


@contextlib.contextmanager
def relaying(lab: Lab, port: int) -> Iterator[None]:
    """Let the gateway relay connections from inside to the LAN host, as with hairpin NAT."""
    with lab.router.socket(socket.SOCK_STREAM) as server:
        server.bind((WAN_GATEWAY, port))
        server.listen()
        thread = threading.Thread(target=_relay, args=(lab, server, port))
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _relay(lab: Lab, server: socket.socket, port: int) -> None:
    """Pass on what the LAN host says first, until the server is shut down."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection, lab.router.socket(socket.SOCK_STREAM) as inner:
                inner.connect((LAN_HOST, port))
                connection.sendall(inner.recv(100))


class Host:
    """The daemon on the LAN host with open ports, and checks of them."""

    def __init__(self, program: Program, tmp_path: Path) -> None:
        self.program = program
        self.state = str(tmp_path / "state")

    @contextlib.contextmanager
    def open(self, tmp_path: Path, *rows: str, extra: str = "") -> Iterator[Running]:
        """Keep the ports of a list open."""
        settings = tmp_path / "portmapper.toml"
        tables = [
            f'[[mapping]]\nport = {port}\nprotocol = "{protocol}"\naddress = "{address}"\n'
            for port, protocol, address in (row.split("/") for row in rows)
        ]
        settings.write_text(f"{extra}\n" + "".join(tables))
        words = ("run", "--config", str(settings), "--state-dir", self.state)
        with self.program.running(*words, log=tmp_path / "run.log") as running:
            running.until(lambda: self.are_open(len(rows)), "open")
            yield running

    def status(self) -> dict[str, Any]:
        """Return the status document."""
        document: dict[str, Any] = self.program.run("status", "--json", "--state-dir", self.state).json()
        return document

    def are_open(self, number: int) -> bool:
        """Return whether all mappings are open."""
        mappings = self.status()["mappings"]
        return len(mappings) == number and all(mapping["state"] == "active" for mapping in mappings)

    def check(self, url: str, *ports: str) -> list[dict[str, Any]]:
        """Return the results of `probe check`."""
        result = self.program.run("probe", "check", url, *ports, "--json", "--state-dir", self.state)
        assert result.errors == ""
        found: list[dict[str, Any]] = result.json()["mappings"]
        assert result.status == (0 if all(one["state"] == "yes" for one in found) else 1)
        return found


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
    other = lab.add_lan_host("other", "192.168.88.7")
    with host.open(tmp_path, "8105/tcp/192.168.88.7"):
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
def behind_another_nat(lab: Lab, tmp_path: Path) -> Iterator[str]:
    """The WAN host translates addresses, and the probe server is behind it."""
    server = lab.topology.add("internet")
    cable(lab.wan, "eth1", server, "eth0")
    lab.wan.ip("addr", "add", f"{OUTER}/24", "dev", "eth1")
    server.ip("addr", "add", f"{SERVER}/24", "dev", "eth0")
    lab.wan.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    lab.router.ip("route", "add", "default", "via", WAN_HOST)
    try:
        with rules(lab.wan, OUTER_NAT, "inet outer"), probe_server(server, tmp_path, SERVER) as url:
            yield url
    finally:
        lab.router.ip("route", "del", "default")
        lab.topology.namespaces.remove(server)
        server.remove()


def test_another_nat_is_proven(host: Host, behind_another_nat: str, tmp_path: Path, lab: Lab) -> None:
    """The internet sees another address; a stranger's open port there is no yes."""
    url = behind_another_nat
    with host.open(tmp_path, f"8109/tcp/{LAN_HOST}", f"8109/udp/{LAN_HOST}"):
        for result in host.check(url, "8109/both"):
            assert_verdict(result, "no", "another NAT", WAN_GATEWAY, OUTER)
        with lab.wan.socket(socket.SOCK_STREAM) as stranger:
            stranger.bind(("", 8109))
            stranger.listen()
            assert_verdict(host.check(url, "8109/tcp")[0], "no", "not this host")
        codes = doctor_codes(host, url)
        assert codes["external-address-differs"] == "error"
        assert codes["not-reachable-from-outside"] == "error"
        forward = f"add rule inet outer prerouting iifname eth1 th dport 8109 dnat ip to {WAN_GATEWAY}\n"
        lab.wan.run("nft", "-f", "-", stdin=forward)
        for result in host.check(url, "8109/both"):
            assert_verdict(result, "yes")
        codes = doctor_codes(host, url)
        assert codes["external-address-differs"] == "warning"
        assert codes["reachable-from-outside"] == "ok"


def doctor_codes(host: Host, url: str) -> dict[str, str]:
    """Return the severity of each code of `doctor --probe`."""
    result = host.program.run("doctor", "--probe", url, "--json", "--state-dir", host.state, timeout=60)
    assert result.errors == ""
    return {finding["code"]: finding["severity"] for finding in result.json()["findings"]}


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
    assert doctor_codes(host, url)["reachable-from-outside"] == "ok"


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


WATCH = f"""
table inet watch {{
    counter others {{ }}
    counter forged {{ }}
    chain output {{
        type filter hook output priority 0;
        ip daddr != {WAN_GATEWAY} ip daddr != 127.0.0.0/8 counter name others
    }}
    chain input {{
        type filter hook input priority 0;
        ip saddr 11.22.33.77 counter name forged
    }}
}}
"""


def packets(lab: Lab, counter: str) -> int:
    """Return how many packets a counter of the WAN host has seen."""
    listed = json.loads(lab.wan.run("nft", "-j", "list", "counter", "inet", "watch", counter))
    return next(int(item["counter"]["packets"]) for item in listed["nftables"] if "counter" in item)


def forged_datagram(source: str, payload: bytes) -> bytes:
    """Return an IP packet to the probe server with another host's address as its source."""
    udp = struct.pack("!HHHH", 8112, PROBE_PORT, 8 + len(payload), 0) + payload
    header = (0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP, 0)
    addresses = socket.inet_aton(source) + socket.inet_aton(WAN_HOST)
    return struct.pack("!BBHHHBBH", *header) + addresses + udp


def _raw_socket(lab: Lab) -> socket.socket:
    with lab.router._entered():
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def test_no_packet_goes_to_a_third_party(host: Host, url: str, tmp_path: Path, lab: Lab) -> None:
    """Not with forged headers, and not with a valid cookie from a forged address."""
    body = json.dumps({"ports": [{"port": 8112, "protocol": "UDP", "nonce": "00" * 16}]})
    forged = "".join(f"{name}: 11.22.33.77\r\n" for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"))
    request = (
        f"POST /v1/probe HTTP/1.1\r\nHost: 11.22.33.77:80\r\n{forged}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    )
    # The gateway would translate the forged address.
    untracked = dropping("output", "ip saddr 11.22.33.77", "notrack").replace("priority -5", "priority -300")
    with host.open(tmp_path, f"8112/udp/{LAN_HOST}"), rules(lab.wan, WATCH, "inet watch"):
        with (
            rules(lab.router, untracked, "inet lab"),
            lab.lan.socket(socket.SOCK_STREAM) as client,
            _raw_socket(lab) as forger,
        ):
            client.settimeout(10)
            client.connect((WAN_HOST, PROBE_PORT))
            client.sendall(request.encode())
            answer = b""
            while b'"cookie": "' not in answer or not answer.endswith(b"\n"):
                answer += client.recv(4096)
            greeting = json.loads(next(line for line in answer.splitlines() if line.startswith(b"{")))
            assert greeting["peer"] == WAN_GATEWAY
            session, cookie = (bytes.fromhex(greeting[key]) for key in ("session", "cookie"))
            for payload in (order_datagram(session, cookie, 8112), b"x" * 64):
                forger.sendto(forged_datagram("11.22.33.77", payload), (WAN_HOST, PROBE_PORT))
            while part := client.recv(4096):
                answer += part
        assert b'"result": "not-ordered"' in answer
        assert host.check(url, "8112/udp")[0]["state"] == "yes"
        assert packets(lab, "forged") == 2
        assert packets(lab, "others") == 0
