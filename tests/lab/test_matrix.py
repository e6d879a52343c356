"""Open, renew and release a port over every protocol and gateway variant."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from netlab.firewalls import Rule
from netlab.gaps import watched_gaps
from netlab.gateway import IGD1_ONLY, IGD2_AND_PCP, UPNP_OFF, UPNP_ONLY, VARIANTS, Variant
from netlab.lab import LAN_GATEWAY, LAN_HOST, WAN_GATEWAY, Lab
from netlab.program import Finished, Program

PORT = 8080
SIMULATED_PORT = 18080
"""Port that the embedded gateway relays on the router. For a minute afterwards, TCP's TIME_WAIT makes
miniupnpd report the port as in use."""
DURATION = 600
CASES = [
    pytest.param(variant, backend, protocol, id=f"{variant.name}-{backend}-{protocol}")
    for variant in VARIANTS
    for backend in variant.backends
    for protocol in ("TCP", "UDP")
]
PREFERRED = [(IGD2_AND_PCP, "pcp"), (IGD1_ONLY, "upnp"), (UPNP_OFF, "pcp"), (UPNP_ONLY, "upnp")]


class Desired:
    """A CSV file of mappings, and commands that read it."""

    def __init__(self, program: Program, directory: Path) -> None:
        self.program = program
        self.file = directory / "ports.csv"
        self.state = ("--state-dir", str(directory / "state"))
        self.log = directory / "daemon.log"

    def list(self, *rows: str, columns: str = "protocol;port;duration;comment") -> None:
        """Write the header and the rows."""
        self.file.write_text("\n".join([columns, *rows]) + "\n")

    def run_oneshot(self, *options: str) -> Finished:
        """Run one pass, printing JSON."""
        return self.program.run("run", "--oneshot", "--json", *self.state, *options, str(self.file))

    def daemon(self, *options: str) -> Any:
        """Run the daemon in the foreground."""
        return self.program.running("run", *self.state, *options, str(self.file), log=self.log)


@pytest.fixture
def desired(program: Program, tmp_path: Path) -> Desired:
    """A list for the LAN host."""
    return Desired(program, tmp_path)


def only_mapping(finished: Finished) -> dict[str, Any]:
    """Check the exit status, and return the only mapping of the status document."""
    assert finished.status == 0, finished.errors
    (mapping,) = finished.json()["mappings"]
    assert isinstance(mapping, dict)
    return mapping


@pytest.mark.parametrize(("variant", "backend", "protocol"), CASES)
def test_a_first_run_opens_the_port(
    lab: Lab, desired: Desired, variant: Variant, backend: str, protocol: str
) -> None:
    """The mapping is active, the gateway has a rule, and the WAN host gets an answer."""
    lab.gateway.reset(variant)
    desired.list(f"{protocol};{PORT};{DURATION};a web server")
    mapping = only_mapping(desired.run_oneshot("--backend", backend))
    assert (mapping["state"], mapping["backend"], mapping["error"]) == ("active", backend, None)
    assert (mapping["protocol"], mapping["family"]) == (protocol, "ipv4")
    assert (mapping["internal_address"], mapping["internal_port"]) == (LAN_HOST, PORT)
    assert (mapping["external_address"], mapping["external_port"]) == (WAN_GATEWAY, PORT)
    assert (mapping["lifetime"], mapping["permanent"]) == (DURATION, False)
    assert lab.gateway.rules() == {Rule(protocol, PORT, LAN_HOST, PORT)}
    assert lab.reaches(protocol, PORT)


@pytest.mark.parametrize(("variant", "backend", "protocol"), CASES)
def test_a_second_run_renews_in_place(
    lab: Lab, desired: Desired, variant: Variant, backend: str, protocol: str
) -> None:
    """The lease is adopted from the state directory, and the gateway still has one rule."""
    lab.gateway.reset(variant)
    desired.list(f"{protocol};{PORT};{DURATION};a web server")
    only_mapping(desired.run_oneshot("--backend", backend))
    mapping = only_mapping(desired.run_oneshot("--backend", backend))
    assert (mapping["state"], mapping["backend"]) == ("active", backend)
    assert lab.gateway.rules() == {Rule(protocol, PORT, LAN_HOST, PORT)}
    assert lab.reaches(protocol, PORT)


@pytest.mark.parametrize(("variant", "backend", "protocol"), CASES)
def test_only_close_ports_releases(
    lab: Lab, desired: Desired, variant: Variant, backend: str, protocol: str
) -> None:
    """Another run closes the port; closing it again is not an error."""
    lab.gateway.reset(variant)
    desired.list(f"{protocol};{PORT};{DURATION};a web server")
    only_mapping(desired.run_oneshot("--backend", backend))
    close = ("run", "--only-close-ports", "--backend", backend, *desired.state, str(desired.file))
    closed = desired.program.run(*close)
    assert closed.status == 0, closed.errors
    assert lab.gateway.rules() == set()
    assert not lab.reaches(protocol, PORT)
    assert desired.program.run(*close).status == 0


@pytest.mark.parametrize("backend", IGD2_AND_PCP.backends)
def test_close_ports_on_exit_releases_on_sigterm(lab: Lab, desired: Desired, backend: str) -> None:
    """Both protocols are closed, and the exit status is 0."""
    desired.list(f"TCP;{PORT};{DURATION};web", f"UDP;{PORT};{DURATION};game")
    with desired.daemon("--close-ports-on-exit", "--backend", backend) as daemon:
        daemon.until(lambda: len(lab.gateway.rules()) == 2, "open")
        assert lab.reaches("TCP", PORT)
        assert lab.reaches("UDP", PORT)
        assert daemon.end() == 0
    assert "Traceback" not in daemon.log
    assert lab.gateway.rules() == set()


def test_ports_stay_open_after_a_stop_and_the_next_start_adopts_them(lab: Lab, desired: Desired) -> None:
    """Without --close-ports-on-exit the port stays open, and a new daemon adds no second rule."""
    desired.list(f"TCP;{PORT};{DURATION};web")
    with desired.daemon() as daemon:
        daemon.until(lab.gateway.rules, "open")
        assert daemon.end() == 0
    assert lab.reaches("TCP", PORT)
    only_mapping(desired.run_oneshot())
    assert lab.gateway.rules() == {Rule("TCP", PORT, LAN_HOST, PORT)}


@pytest.mark.parametrize("udp_offset", [100, 0], ids=["own-ports", "one-port-for-both"])
def test_a_daemon_renews_before_the_lease_expires(lab: Lab, desired: Desired, udp_offset: int) -> None:
    """Leases of a few seconds are renewed over each protocol without an outage.

    This includes TCP and UDP on the same port, despite the miniupnpd behavior shown in `test_netlab`.
    """
    lab.gateway.reset(Variant("short-leases", extra=("system_uptime=yes", "min_lifetime=5")))
    ports = {"pcp": 8081, "natpmp": 8082, "upnp": 8083}
    rows = [f"TCP;{port};8;short;{backend}" for backend, port in ports.items()]
    rows += [f"UDP;{port + udp_offset};8;short;{backend}" for backend, port in ports.items()]
    endpoints = [(row[:3], int(row[4:8])) for row in rows]
    desired.list(*rows, columns="protocol;port;duration;comment;backend")
    with desired.daemon() as daemon:
        daemon.until(lambda: all(lab.reaches(*endpoint) for endpoint in endpoints), "open")
        opened = time.monotonic()
        with watched_gaps(lab, daemon, endpoints) as gaps:
            daemon.until(lambda: time.monotonic() > opened + 12, "past one and a half leases", 20)
    gaps.assert_only_slow_commits()
    assert len(lab.gateway.rules()) == len(endpoints)


@pytest.mark.parametrize(("variant", "backend"), PREFERRED, ids=lambda value: getattr(value, "name", value))
def test_by_default_the_best_backend_that_answers_is_used(
    lab: Lab, desired: Desired, variant: Variant, backend: str
) -> None:
    """This is PCP if it is available, else UPnP."""
    lab.gateway.reset(variant)
    desired.list(f"TCP;{PORT};{DURATION};web")
    assert only_mapping(desired.run_oneshot())["backend"] == backend
    assert lab.reaches("TCP", PORT)


def test_a_denied_port_is_refused_and_the_others_open(lab: Lab, desired: Desired) -> None:
    """The refusal is reported, and the exit status is 1."""
    lab.gateway.reset(Variant("narrow", rules=("allow 8000-8999 192.168.88.0/24 8000-8999",)))
    desired.list(f"TCP;9000;{DURATION};denied", f"TCP;{PORT};{DURATION};web")
    finished = desired.run_oneshot()
    assert finished.status == 1, finished.errors
    states = {mapping["internal_port"]: mapping["state"] for mapping in finished.json()["mappings"]}
    assert states == {9000: "refused", PORT: "active"}
    assert lab.gateway.rules() == {Rule("TCP", PORT, LAN_HOST, PORT)}


@pytest.fixture(params=[("--quirk", "P2"), ("--profile", "routeros")], ids=" ".join)
def natpmp_router(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> Iterator[None]:
    """The embedded gateway instead of miniupnpd, with NAT-PMP and without PCP."""
    lab.gateway.kill()
    router = Program(lab.router, tmp_path)
    places = ("--host", LAN_GATEWAY, "--external-host", WAN_GATEWAY, "--external-address", WAN_GATEWAY)
    with router.running(
        "simulate", *places, *request.param, "--json", log=tmp_path / "router.log"
    ) as simulator:
        simulator.until(lambda: simulator.output.endswith("\n"), "ready")
        yield


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.usefixtures("natpmp_router")
def test_natpmp_without_pcp_opens_renews_and_releases(lab: Lab, desired: Desired, protocol: str) -> None:
    """A gateway that answers PCP with version 0 is used over NAT-PMP."""
    desired.list(f"{protocol};{SIMULATED_PORT};{DURATION};web")
    for _ in ("first", "renewal"):
        mapping = only_mapping(desired.run_oneshot())
        assert (mapping["state"], mapping["backend"]) == ("active", "natpmp")
        assert lab.reaches(protocol, SIMULATED_PORT, expected_peer=LAN_GATEWAY)
    closed = desired.program.run("run", "--only-close-ports", *desired.state, str(desired.file))
    assert closed.status == 0, closed.errors
    assert lab.query_from_wan(protocol, SIMULATED_PORT) is None
