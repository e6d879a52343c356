"""What upnp-daemon's users count on, and what was broken there, on real gateways."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from netlab.gateway import IGD2_AND_PCP, Rule, Variant
from netlab.hosts import AnsweringHost, answer_text
from netlab.lab import LAN_HOST, WAN_HOST, Lab
from netlab.namespaces import Namespace, cable, switch
from netlab.prober import Prober
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


class Listener:
    """Hears every frame on one interface of a host, and counts what would delete a mapping."""

    def __init__(self, namespace: Namespace, interface: str) -> None:
        self.deletions: list[str] = []
        self.requests = 0
        self._socket = namespace.socket(socket.SOCK_RAW, socket.AF_PACKET)
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.settimeout(0.1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="listener")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                self._judge(self._socket.recv(65536))

    def _judge(self, frame: bytes) -> None:
        if b"#AddPortMapping" in frame or b"#AddAnyPortMapping" in frame:
            self.requests += 1
        if b"#DeletePortMapping" in frame:
            self.deletions.append("DeletePortMapping")
        # Ethernet, IPv4 without options, UDP to the gateway's port: then the request itself.
        if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_UDP or frame[36:38] != b"\x14\xe7":
            return
        request = frame[42:]
        if len(request) >= 60 and request[:2] == b"\x02\x01":
            self._judge_lifetime("PCP", request[4:8])
        elif len(request) == 12 and request[:2] in (b"\x00\x01", b"\x00\x02"):
            self._judge_lifetime("NAT-PMP", request[8:12])

    def _judge_lifetime(self, protocol: str, lifetime: bytes) -> None:
        self.requests += 1
        if lifetime == bytes(4):
            self.deletions.append(protocol)


def write(file: Path, *rows: str, columns: str = "protocol;port;duration;backend") -> str:
    """Write a list and return its path."""
    file.write_text("\n".join([columns, *rows]) + "\n")
    return str(file)


def one_pass(program: Program, directory: Path, *arguments: str) -> Finished:
    """Run one pass, printing JSON."""
    return program.run("run", "--oneshot", "--json", "--state-dir", str(directory / "state"), *arguments)


def only_mapping(finished: Finished) -> dict[str, Any]:
    """Return the one mapping of a status document."""
    (mapping,) = finished.json()["mappings"]
    assert isinstance(mapping, dict)
    return mapping


# Renewals


@pytest.mark.parametrize("backend", IGD2_AND_PCP.backends)
def test_a_mapping_is_renewed_in_place(lab: Lab, program: Program, tmp_path: Path, backend: str) -> None:
    """Through several leases and a second start no request to delete leaves the host."""
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
    """Run with an interval as long as the lease, and ask from the WAN ten times a second."""
    ports = {"pcp": 8081, "natpmp": 8082, "upnp": 8083}
    rows = [f"{way};{port};{duration};{name}" for name, port in ports.items() for way in ("TCP", "UDP")]
    ways = [(way, port) for port in ports.values() for way in ("TCP", "UDP")]
    listed = write(directory / "ports.csv", *rows)
    arguments = ("run", "--state-dir", str(directory / "state"), "--interval", str(duration), listed)
    with program.running(*arguments, log=directory / "log") as daemon:
        daemon.until(lambda: all(lab.reaches(*way) for way in ways), "open")
        opened = time.monotonic()
        with contextlib.ExitStack() as watches:
            probers = [watches.enter_context(Prober(partial(lab.ask_from_wan, *way))) for way in ways]
            daemon.until(lambda: time.monotonic() > opened + seconds, "over", seconds + 10)
    assert {way: prober.outages for way, prober in zip(ways, probers, strict=True)} == {
        way: [] for way in ways
    }
    assert all(prober.requested > seconds * 5 for prober in probers)


@pytest.mark.timeout(WATCHED + 60)
def test_an_interval_as_long_as_the_lease_leaves_no_gap(lab: Lab, program: Program, tmp_path: Path) -> None:
    """upnp-daemon renews at the interval, and its port is closed until it has."""
    lab.gateway.reset(Variant("short-leases", extra=SHORT_LEASES))
    assert_no_gap(lab, program, tmp_path, WATCHED, DURATION)


# A test that takes minutes is there only when it is asked for: a skip in CI would look like a gap.
if SOAK_MINUTES:

    @pytest.mark.timeout(SOAK_MINUTES * 60 + 120)
    def test_a_minute_each_leaves_no_gap_for_as_long_as_it_is_watched(
        lab: Lab, program: Program, tmp_path: Path
    ) -> None:
        """Duration 60, interval 60."""
        lab.gateway.reset(Variant("short-leases", extra=SHORT_LEASES))
        assert_no_gap(lab, program, tmp_path, SOAK_MINUTES * 60, 60)


# Whose port it is


@pytest.fixture(scope="module")
def neighbour(standing: Lab) -> Namespace:
    """Another host on the LAN."""
    return standing.add_lan_host("other", OTHER_HOST)


@pytest.fixture
def taken(lab: Lab, neighbour: Namespace) -> Rule:
    """The neighbour holds the port, by a client that is not ours, on a gateway that lets all replace all."""
    lab.gateway.reset(Variant("careless", secure=False))
    neighbour.run(
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
def test_another_hosts_port_is_left_alone(
    lab: Lab, program: Program, tmp_path: Path, taken: Rule, policy: list[str]
) -> None:
    """It is a conflict, and exit status 1."""
    finished = one_pass(program, tmp_path, *policy, write(tmp_path / "ports.csv", f"TCP;{PORT};600;"))
    assert finished.status == 1, finished.errors
    assert only_mapping(finished)["state"] == "conflict"
    assert lab.gateway.rules() == {taken}


def test_take_is_the_greedy_way(lab: Lab, program: Program, tmp_path: Path, taken: Rule) -> None:
    """Who wants it as upnp-daemon has it gets the port from whoever holds it."""
    listed = write(tmp_path / "ports.csv", f"TCP;{PORT};600;")
    finished = one_pass(program, tmp_path, "--conflict", "take", listed)
    assert finished.status == 0, finished.errors
    assert only_mapping(finished)["state"] == "active"
    assert lab.gateway.rules() == {Rule("TCP", PORT, LAN_HOST, PORT)}
    assert lab.reaches("TCP", PORT)


def test_only_close_ports_spares_another_hosts_entry(
    lab: Lab, program: Program, tmp_path: Path, taken: Rule
) -> None:
    """Except under `take`, which closes it."""
    listed = write(tmp_path / "ports.csv", f"TCP;{PORT};600;")
    close = ("run", "--only-close-ports", "--state-dir", str(tmp_path / "state"), listed)
    assert program.run(*close).status == 0
    assert lab.gateway.rules() == {taken}
    finished = program.run(*close, "--conflict", "take")
    assert finished.status == 0, finished.errors
    assert lab.gateway.rules() == set()


# Whom for


def addressed(directory: Path, address: str) -> str:
    """List a port with this address."""
    row = f"{address};TCP;{PORT};600"
    return write(directory / "ports.csv", row, columns="address;protocol;port;duration")


def test_a_foreign_device_gets_its_port_over_upnp(
    lab: Lab, program: Program, tmp_path: Path, neighbour: Namespace
) -> None:
    """The neighbour answers the WAN host through a port that we opened for it."""
    lab.gateway.reset(Variant("careless", secure=False))
    finished = one_pass(program, tmp_path, addressed(tmp_path, OTHER_HOST))
    assert finished.status == 0, finished.errors
    mapping = only_mapping(finished)
    assert (mapping["backend"], mapping["internal_address"]) == ("upnp", OTHER_HOST)
    assert lab.gateway.rules() == {Rule("TCP", PORT, OTHER_HOST, PORT)}
    servers = AnsweringHost(neighbour)
    try:
        servers.listen("TCP", PORT)
        assert lab.ask_from_wan("TCP", PORT) == answer_text("TCP", PORT, WAN_HOST)
    finally:
        servers.close()


def test_a_refusal_for_a_foreign_device_says_who_has_to_ask(
    lab: Lab, program: Program, tmp_path: Path, neighbour: Namespace
) -> None:
    """A gateway in secure mode maps for the asking host alone."""
    finished = one_pass(program, tmp_path, addressed(tmp_path, OTHER_HOST))
    assert finished.status == 1, finished.errors
    mapping = only_mapping(finished)
    assert mapping["state"] == "refused"
    assert f"{OTHER_HOST} has to ask" in mapping["error"]
    assert lab.gateway.rules() == set()


@pytest.fixture
def two_lans(own_lab: Lab, tmp_path: Path) -> Iterator[Lab]:
    """The LAN host has a second interface, with a UPnP router of its own and no default route by it."""
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
    """Run one pass for one mapping with this address."""
    return one_pass(Program(lab.lan, directory), directory, *options, addressed(directory, address))


@pytest.mark.parametrize("address", ["", "0.0.0.0/0", "192.168.88.0/24", "192.168/16"], ids=repr)
def test_the_default_routes_interface_comes_first(two_lans: Lab, tmp_path: Path, address: str) -> None:
    """Both gateways would grant it; the one that leads outside is asked."""
    two_lans.gateway.reset()
    finished = on_two_lans(two_lans, tmp_path, address)
    assert finished.status == 0, finished.errors
    assert only_mapping(finished)["internal_address"] == LAN_HOST
    assert two_lans.gateway.rules() == {Rule("TCP", PORT, LAN_HOST, PORT)}


@pytest.mark.parametrize("address", ["", "0.0.0.0/0", "10/8"], ids=repr)
def test_every_interface_that_matches_is_tried_in_turn(two_lans: Lab, tmp_path: Path, address: str) -> None:
    """The first one's gateway answers and refuses: the success is the mapping's, not the discovery's."""
    two_lans.gateway.reset(Variant("deaf to us", rules=(f"deny 1-65535 {LAN_HOST}/32 1-65535",)))
    finished = on_two_lans(two_lans, tmp_path, address)
    assert finished.status == 0, finished.errors
    mapping = only_mapping(finished)
    assert (mapping["internal_address"], mapping["backend"]) == (OTHER_LAN_HOST, "upnp")


def test_a_network_keeps_to_its_interfaces(two_lans: Lab, tmp_path: Path) -> None:
    """Another interface's gateway would grant it, and is not asked."""
    two_lans.gateway.reset(Variant("deaf to us", rules=(f"deny 1-65535 {LAN_HOST}/32 1-65535",)))
    finished = on_two_lans(two_lans, tmp_path, "192.168.88.0/24")
    assert finished.status == 1, finished.errors
    mapping = only_mapping(finished)
    assert (mapping["state"], mapping["internal_address"]) == ("refused", LAN_HOST)


def test_a_network_that_is_not_ours_is_told(lab: Lab, program: Program, tmp_path: Path) -> None:
    """No interface lies in it: the gateway is not to blame."""
    finished = one_pass(program, tmp_path, addressed(tmp_path, "172.16.0.0/12"))
    assert finished.status == 1, finished.errors
    mapping = only_mapping(finished)
    assert mapping["state"] == "failed"
    assert "172.16.0.0/12" in mapping["error"]
