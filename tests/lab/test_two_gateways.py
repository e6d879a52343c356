"""A host with two default routes: a port on the one, on the other, or on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from netlab.lab import LAN_GATEWAY, LAN_HOST, WAN_GATEWAY, Lab
from netlab.program import Program
from netlab.two_gateways import SECOND_GATEWAY, SECOND_HOST, SECOND_OUTSIDE, TwoGateways

PORT = 8080
LONG = 30.0


@pytest.fixture
def two(own_lab: Lab, tmp_path: Path) -> Iterator[TwoGateways]:
    """Two routers, both with everything on."""
    gateways = TwoGateways(own_lab, tmp_path / "second")
    gateways.start()
    yield gateways
    gateways.kill()


@pytest.fixture
def program(two: TwoGateways, tmp_path: Path) -> Program:
    """portmapper on the host between them."""
    return Program(two.lab.lan, tmp_path)


def listing(directory: Path, gateway: str) -> str:
    """Write a list of one row that is for this gateway."""
    file = directory / "ports.csv"
    file.write_text(f"port;protocol;gateway;comment\n{PORT};TCP;{gateway};web\n")
    return str(file)


def test_an_address_and_the_default_open_one_gateway_each(
    two: TwoGateways, program: Program, tmp_path: Path
) -> None:
    """An edit of the row moves the port from one to the other."""
    state = ("--state-dir", str(tmp_path / "state"))
    finished = program.run("run", "--oneshot", "--json", *state, listing(tmp_path, "default"))
    assert finished.status == 0, finished.errors
    assert two.lab.reaches("TCP", PORT)
    assert not two.reaches_by_second("TCP", PORT)
    finished = program.run("run", "--oneshot", "--json", *state, listing(tmp_path, SECOND_GATEWAY))
    assert finished.status == 0, finished.errors
    (mapping,) = finished.json()["mappings"]
    assert (mapping["gateway"], mapping["internal_address"]) == (SECOND_GATEWAY, SECOND_HOST)
    assert two.reaches_by_second("TCP", PORT)
    assert not two.lab.reaches("TCP", PORT)


@pytest.mark.parametrize("backend", ["pcp", "natpmp", "upnp"])
def test_all_opens_both_and_closes_both(
    two: TwoGateways, program: Program, tmp_path: Path, backend: str
) -> None:
    """Each is a row of its own, and somebody behind each gateway gets an answer."""
    state = ("--backend", backend, "--state-dir", str(tmp_path / "state"))
    ports = listing(tmp_path, "all")
    finished = program.run("run", "--oneshot", "--json", *state, ports)
    assert finished.status == 0, finished.errors
    found = {mapping["gateway"]: mapping for mapping in finished.json()["mappings"]}
    assert {g: (m["state"], m["internal_address"]) for g, m in found.items()} == {
        LAN_GATEWAY: ("active", LAN_HOST),
        SECOND_GATEWAY: ("active", SECOND_HOST),
    }
    outside = {mapping["external_address"] for mapping in found.values()}
    assert outside == {WAN_GATEWAY, SECOND_OUTSIDE}
    assert two.lab.reaches("TCP", PORT)
    assert two.reaches_by_second("TCP", PORT)
    closed = program.run("run", "--only-close-ports", *state, ports)
    assert closed.status == 0, closed.errors
    assert not two.lab.gateway.rules()
    assert not two.second.rules()


def test_when_one_goes_away_the_other_stays(two: TwoGateways, program: Program, tmp_path: Path) -> None:
    """And what the daemon is asked for by hand is opened and closed on both."""
    state = ("--state-dir", str(tmp_path / "state"))
    ports = listing(tmp_path, "all")

    def states() -> dict[str, str]:
        document = program.run("status", "--json", *state).json()
        return {mapping["gateway"]: mapping["state"] for mapping in document["mappings"]}

    with program.running("run", "--interval", "1", *state, ports, log=tmp_path / "log") as run:
        run.until(lambda: two.lab.reaches("TCP", PORT), "open", LONG)
        run.until(lambda: two.reaches_by_second("TCP", PORT), "open by the second", LONG)
        run.until(lambda: program.run("status", *state).status == 0, "answering", LONG)
        opened = program.run("open", "9090/tcp", "--gateway", "all", "--json", *state)
        assert opened.status == 0, opened.errors
        assert len(opened.json()["mappings"]) == 2
        assert two.lab.reaches("TCP", 9090)
        assert two.reaches_by_second("TCP", 9090)
        assert program.run("close", "9090/tcp", *state).status == 0
        assert {rule.external_port for rule in two.lab.gateway.rules() | two.second.rules()} == {PORT}
        two.second.stop()
        two.second.empty()
        run.until(lambda: states().get(SECOND_GATEWAY) != "active", "noticed", LONG)
        assert states()[LAN_GATEWAY] == "active"
        assert two.lab.reaches("TCP", PORT)
        two.second.start()
        run.until(lambda: two.reaches_by_second("TCP", PORT), "open again", LONG)
        run.until(lambda: set(states().values()) == {"active"}, "active again", LONG)
