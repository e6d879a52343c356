"""Features of upnp-daemon, and fixes of its problems, on real gateways."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from netlab.background import Background
from netlab.firewalls import Rule
from netlab.gaps import watched_gaps
from netlab.gateway import IGD2_AND_PCP, Variant
from netlab.hosts import AnsweringHost, answer_text
from netlab.lab import LAN_HOST, WAN_HOST, Lab
from netlab.namespaces import Namespace, cable, switch
from netlab.program import Finished, Program

PORT = 8080
OTHER_HOST = "192.168.88.3"
OTHER_LAN_GATEWAY = "10.20.0.1"
OTHER_LAN_HOST = "10.20.0.2"
DURATION = 12
WATCHED = 40.0
SOAK_MINUTES = float(os.environ.get("LAB_SOAK_MINUTES", "0"))
SHORT_LEASES = ("system_uptime=yes", "min_lifetime=5")
ETH_P_ALL = 3
PROTOCOLS = ("TCP", "UDP")


class Listener(Background):
    """Captures every frame on an interface, and counts requests for a port, and those that would delete it.

    A search of a gateway that answers late also deletes a mapping of port 1, which nobody has.
    """

    def __init__(self, namespace: Namespace, interface: str) -> None:
        self.deletions: list[str] = []
        self.requests = 0
        self._socket = namespace.socket(socket.SOCK_RAW, socket.AF_PACKET)
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.settimeout(0.1)
        super().__init__("listener")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def work(self) -> None:
        """Judge frames until the context ends."""
        while not self.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                self._judge(self._socket.recv(65536))

    def _judge(self, frame: bytes) -> None:
        if b"#AddPortMapping" in frame or b"#AddAnyPortMapping" in frame:
            self.requests += 1
        if b"#DeletePortMapping" in frame:
            self.deletions.append("DeletePortMapping")
        # Ethernet, IPv4 without options, UDP to the gateway's port, then the request itself.
        if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_UDP or frame[36:38] != b"\x14\xe7":
            return
        request = frame[42:]
        if len(request) >= 60 and request[:2] == b"\x02\x01":
            self._judge_request("PCP", request[40:42], request[4:8])
        elif len(request) == 12 and request[:2] in (b"\x00\x01", b"\x00\x02"):
            self._judge_request("NAT-PMP", request[4:6], request[8:12])

    def _judge_request(self, protocol: str, internal_port: bytes, lifetime: bytes) -> None:
        if internal_port != PORT.to_bytes(2):
            return
        self.requests += 1
        if lifetime == bytes(4):
            self.deletions.append(protocol)


def write(file: Path, *rows: str, columns: str = "protocol;port;duration;backend") -> str:
    """Write a list, and return its path."""
    file.write_text("\n".join([columns, *rows]) + "\n")
    return str(file)


def one_pass(program: Program, directory: Path, *arguments: str) -> Finished:
    """Run one pass, printing JSON."""
    return program.run("run", "--oneshot", "--json", "--state-dir", str(directory / "state"), *arguments)


def only_mapping(finished: Finished) -> dict[str, Any]:
    """Return the only mapping of a status document."""
    (mapping,) = finished.json()["mappings"]
    assert isinstance(mapping, dict)
    return mapping


# Renewals


@pytest.mark.parametrize("backend", IGD2_AND_PCP.backends)
def test_a_mapping_is_renewed_in_place(lab: Lab, program: Program, tmp_path: Path, backend: str) -> None:
    """During several leases and a second start, no deletion request leaves the host."""
    lab.gateway.reset(Variant("short-leases", extra=SHORT_LEASES))
    listed = write(tmp_path / "ports.csv", f"TCP;{PORT};6;{backend}")
    state = ("--state-dir", str(tmp_path / "state"))
    with Listener(lab.router, "lan0") as listener:
        for _ in ("first", "second"):
            with program.running("run", *state, "-n", "2", listed, log=tmp_path / "log") as daemon:
                seen = listener.requests
                daemon.until(lambda seen=seen: listener.requests >= seen + 3, "renewed twice", 20)  # type: ignore[misc]
                assert daemon.end() == 0
        assert lab.reaches("TCP", PORT)
    assert listener.deletions == []


def assert_no_gap(lab: Lab, program: Program, directory: Path, seconds: float, duration: int) -> None:
    """Run with an interval as long as the lease, and query from the WAN ten times a second."""
    ports = {"pcp": 8081, "natpmp": 8082, "upnp": 8083}
    rows = [f"{protocol};{port};{duration};{name}" for name, port in ports.items() for protocol in PROTOCOLS]
    endpoints = [(protocol, port) for port in ports.values() for protocol in PROTOCOLS]
    listed = write(directory / "ports.csv", *rows)
    arguments = ("run", "--state-dir", str(directory / "state"), "--interval", str(duration), listed)
    with program.running(*arguments, log=directory / "log") as daemon:
        daemon.until(lambda: all(lab.reaches(*endpoint) for endpoint in endpoints), "open")
        opened = time.monotonic()
        with watched_gaps(lab, daemon, endpoints) as gaps:
            daemon.until(lambda: time.monotonic() > opened + seconds, "over", seconds + 10)
    gaps.assert_only_slow_commits()
    assert min(gaps.requested) > seconds * 5


@pytest.mark.timeout(WATCHED + 60)
def test_an_interval_as_long_as_the_lease_leaves_no_gap(lab: Lab, program: Program, tmp_path: Path) -> None:
    """upnp-daemon renews at the interval, so its port is closed until then."""
    lab.gateway.reset(Variant("short-leases", extra=SHORT_LEASES))
    assert_no_gap(lab, program, tmp_path, WATCHED, DURATION)


# A test of several minutes exists only on request, because a skip in CI would look like a gap.
if SOAK_MINUTES:

    @pytest.mark.timeout(SOAK_MINUTES * 60 + 120)
    def test_leases_and_intervals_of_a_minute_leave_no_gap(
        lab: Lab, program: Program, tmp_path: Path
    ) -> None:
        """Both are 60 seconds."""
        lab.gateway.reset(Variant("short-leases", extra=SHORT_LEASES))
        assert_no_gap(lab, program, tmp_path, SOAK_MINUTES * 60, 60)


# Conflicts


@pytest.fixture(scope="module")
def neighbor(shared_lab: Lab) -> Iterator[Namespace]:
    """Another host on the LAN."""
    with shared_lab.guest("other", OTHER_HOST) as neighbor:
        yield neighbor


@pytest.fixture
def taken(lab: Lab, neighbor: Namespace) -> Rule:
    """The neighbor holds the port through a third-party client, on a gateway without secure mode."""
    lab.gateway.reset(Variant("careless", secure=False))
    neighbor.run(
        "upnpc",
        "-u",
        lab.gateway.description_url,
        "-e",
        "theirs",
        "-a",
        OTHER_HOST,
        str(PORT),
        str(PORT),
        "TCP",
    )
    rule = Rule("TCP", PORT, OTHER_HOST, PORT)
    assert lab.gateway.rules() == {rule}
    return rule


@pytest.mark.parametrize("policy", [[], ["--conflict", "own"], ["--conflict", "fail"]], ids=" ".join)
def test_another_hosts_port_is_a_conflict(
    lab: Lab, program: Program, tmp_path: Path, taken: Rule, policy: list[str]
) -> None:
    """The rule stays, and the exit status is 1."""
    finished = one_pass(program, tmp_path, *policy, write(tmp_path / "ports.csv", f"TCP;{PORT};600;"))
    assert finished.status == 1, finished.errors
    assert only_mapping(finished)["state"] == "conflict"
    assert lab.gateway.rules() == {taken}


def test_take_replaces_another_hosts_entry(lab: Lab, program: Program, tmp_path: Path, taken: Rule) -> None:
    """This is the behavior of upnp-daemon."""
    listed = write(tmp_path / "ports.csv", f"TCP;{PORT};600;")
    finished = one_pass(program, tmp_path, "--conflict", "take", listed)
    assert finished.status == 0, finished.errors
    assert only_mapping(finished)["state"] == "active"
    assert lab.gateway.rules() == {Rule("TCP", PORT, LAN_HOST, PORT)}
    assert lab.reaches("TCP", PORT)


def test_only_close_ports_keeps_another_hosts_entry(
    lab: Lab, program: Program, tmp_path: Path, taken: Rule
) -> None:
    """Only `take` closes it."""
    listed = write(tmp_path / "ports.csv", f"TCP;{PORT};600;")
    close = ("run", "--only-close-ports", "--state-dir", str(tmp_path / "state"), listed)
    assert program.run(*close).status == 0
    assert lab.gateway.rules() == {taken}
    finished = program.run(*close, "--conflict", "take")
    assert finished.status == 0, finished.errors
    assert lab.gateway.rules() == set()


# The host to map to


def addressed(directory: Path, address: str) -> str:
    """Write a list of one port with this address."""
    row = f"{address};TCP;{PORT};600"
    return write(directory / "ports.csv", row, columns="address;protocol;port;duration")


def test_a_port_is_mapped_to_another_host_over_upnp(
    lab: Lab, program: Program, tmp_path: Path, neighbor: Namespace
) -> None:
    """The neighbor answers the WAN host through the port."""
    lab.gateway.reset(Variant("careless", secure=False))
    finished = one_pass(program, tmp_path, addressed(tmp_path, OTHER_HOST))
    assert finished.status == 0, finished.errors
    mapping = only_mapping(finished)
    assert (mapping["backend"], mapping["internal_address"]) == ("upnp", OTHER_HOST)
    assert lab.gateway.rules() == {Rule("TCP", PORT, OTHER_HOST, PORT)}
    servers = AnsweringHost(neighbor)
    try:
        servers.listen("TCP", PORT)
        assert lab.query_from_wan("TCP", PORT) == answer_text("TCP", PORT, WAN_HOST)
    finally:
        servers.close()


def test_a_refusal_for_another_host_contains_advice(
    lab: Lab, program: Program, tmp_path: Path, neighbor: Namespace
) -> None:
    """In secure mode, a host can map ports only to itself."""
    finished = one_pass(program, tmp_path, addressed(tmp_path, OTHER_HOST))
    assert finished.status == 1, finished.errors
    mapping = only_mapping(finished)
    assert mapping["state"] == "refused"
    assert f"only from {OTHER_HOST} itself: run portmapper there" in mapping["error"]
    assert lab.gateway.rules() == set()


@pytest.fixture
def two_lans(own_lab: Lab, tmp_path: Path) -> Iterator[Lab]:
    """The LAN host has a second interface with a UPnP router, but no default route through it."""
    second = own_lab.topology.add("second")
    switch(second, "lan0")
    cable(second, "port-lan", own_lab.lan, "eth1")
    second.ip("link", "set", "port-lan", "master", "lan0")
    second.ip("addr", "add", f"{OTHER_LAN_GATEWAY}/24", "dev", "lan0")
    own_lab.lan.ip("addr", "add", f"{OTHER_LAN_HOST}/24", "dev", "eth1")
    places = ("--host", OTHER_LAN_GATEWAY, "--external-host", OTHER_LAN_GATEWAY)
    with Program(second, tmp_path).running(
        "simulate", *places, "--json", log=tmp_path / "second.log"
    ) as router:
        router.until(lambda: router.output.endswith("\n"), "ready")
        yield own_lab


def on_two_lans(lab: Lab, directory: Path, address: str, *options: str) -> Finished:
    """Run one pass for a mapping with this address."""
    return one_pass(Program(lab.lan, directory), directory, *options, addressed(directory, address))


@pytest.mark.parametrize("address", ["", "0.0.0.0/0", "192.168.88.0/24", "192.168/16"], ids=repr)
def test_the_default_routes_interface_is_used_first(two_lans: Lab, tmp_path: Path, address: str) -> None:
    """Both gateways would grant the mapping."""
    two_lans.gateway.reset()
    finished = on_two_lans(two_lans, tmp_path, address)
    assert finished.status == 0, finished.errors
    assert only_mapping(finished)["internal_address"] == LAN_HOST
    assert two_lans.gateway.rules() == {Rule("TCP", PORT, LAN_HOST, PORT)}


@pytest.mark.parametrize("address", ["", "0.0.0.0/0", "10/8"], ids=repr)
def test_every_matching_interface_is_tried(two_lans: Lab, tmp_path: Path, address: str) -> None:
    """The gateway of the first interface answers, but refuses the mapping."""
    two_lans.gateway.reset(Variant("denies this host", rules=(f"deny 1-65535 {LAN_HOST}/32 1-65535",)))
    finished = on_two_lans(two_lans, tmp_path, address)
    assert finished.status == 0, finished.errors
    mapping = only_mapping(finished)
    assert (mapping["internal_address"], mapping["backend"]) == (OTHER_LAN_HOST, "upnp")


def test_a_network_uses_only_its_interfaces(two_lans: Lab, tmp_path: Path) -> None:
    """The gateway of another interface would grant the mapping, but is not used."""
    two_lans.gateway.reset(Variant("denies this host", rules=(f"deny 1-65535 {LAN_HOST}/32 1-65535",)))
    finished = on_two_lans(two_lans, tmp_path, "192.168.88.0/24")
    assert finished.status == 1, finished.errors
    mapping = only_mapping(finished)
    assert (mapping["state"], mapping["internal_address"]) == ("refused", LAN_HOST)


def test_a_network_without_an_interface_is_an_error(lab: Lab, program: Program, tmp_path: Path) -> None:
    """The error contains the network."""
    finished = one_pass(program, tmp_path, addressed(tmp_path, "172.16.0.0/12"))
    assert finished.status == 1, finished.errors
    mapping = only_mapping(finished)
    assert mapping["state"] == "failed"
    assert "172.16.0.0/12" in mapping["error"]
