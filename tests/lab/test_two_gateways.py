"""A host with two default routes, and ports on one gateway or on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from netlab.lab import LAN_GATEWAY, LAN_HOST, WAN_GATEWAY, Lab
from netlab.program import Program
from netlab.two_gateways import SECOND_GATEWAY, SECOND_HOST, SECOND_WAN, TwoGateways

PORT = 8080
LONG = 30.0


@pytest.fixture
def two(own_lab: Lab, tmp_path: Path) -> Iterator[TwoGateways]:
    """Two routers with all protocols."""
    gateways = TwoGateways(own_lab, tmp_path / "second")
    gateways.start()
    yield gateways
    gateways.kill()


@pytest.fixture
def program(two: TwoGateways, tmp_path: Path) -> Program:
    """portmapper on the host with both routers."""
    return Program(two.lab.lan, tmp_path)


def listing(directory: Path, gateway: str) -> str:
    """Write a list of one row for this gateway."""
    file = directory / "ports.csv"
    file.write_text(f"port;protocol;gateway;comment\n{PORT};TCP;{gateway};web\n")
    return str(file)


def test_a_row_can_choose_the_default_gateway_or_an_address(
    two: TwoGateways, program: Program, tmp_path: Path
) -> None:
    """An edit of the row moves the port to the other gateway."""
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
def test_all_opens_and_closes_the_port_on_both_gateways(
    two: TwoGateways, program: Program, tmp_path: Path, backend: str
) -> None:
    """There is one mapping for each gateway, and both answer their WAN hosts."""
    state = ("--backend", backend, "--state-dir", str(tmp_path / "state"))
    ports = listing(tmp_path, "all")
    finished = program.run("run", "--oneshot", "--json", *state, ports)
    assert finished.status == 0, finished.errors
    found = {mapping["gateway"]: mapping for mapping in finished.json()["mappings"]}
    assert {g: (m["state"], m["internal_address"]) for g, m in found.items()} == {
        LAN_GATEWAY: ("active", LAN_HOST),
        SECOND_GATEWAY: ("active", SECOND_HOST),
    }
    external = {mapping["external_address"] for mapping in found.values()}
    assert external == {WAN_GATEWAY, SECOND_WAN}
    assert two.lab.reaches("TCP", PORT)
    assert two.reaches_by_second("TCP", PORT)
    closed = program.run("run", "--only-close-ports", *state, ports)
    assert closed.status == 0, closed.errors
    assert not two.lab.gateway.rules()
    assert not two.second.rules()


def test_one_gateway_stays_in_use_without_the_other(
    two: TwoGateways, program: Program, tmp_path: Path
) -> None:
    """Ports opened with a command are opened and closed on both."""
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
