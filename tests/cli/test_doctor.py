"""`portmapper doctor` reports the cause of each fault of the software gateway, and nothing else."""

from __future__ import annotations

import argparse
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running_program import GatewayThread

from portmapper_simulator.simulate_command import SimulateCommand, read_settings

Examine = Callable[..., set[str]]


BACKENDS = {"endpoint": ("--backend", "pcp", "--backend", "natpmp"), "location": ("--backend", "upnp")}
"""The protocols of the gateway under test: another gateway of this host may answer over the others."""


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of this host on which a program listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def simulated() -> Iterator[Callable[..., GatewayThread]]:
    """Return a function that starts a software gateway with options of `portmapper simulate`."""
    running: list[GatewayThread] = []
    parser = argparse.ArgumentParser()
    SimulateCommand().add_arguments(parser)

    def start(*options: str) -> GatewayThread:
        free_ports = ("--pcp-port", "0", "--http-port", "0", "--ssdp-port", "0")
        running.append(GatewayThread(read_settings(parser.parse_args([*free_ports, *options]))))
        return running[-1]

    yield start
    for gateway in running:
        gateway.close()


@pytest.fixture
def examine(program: Any, simulated: Any, listening: int, tmp_path: Path) -> Examine:
    """Return a function that starts a gateway and returns the codes of its warnings and errors."""

    def examine(*options: str, by: str = "endpoint", port: int = 0, more: tuple[str, ...] = ()) -> set[str]:
        where = getattr(simulated(*options), by)
        row = f"TCP;{port or listening};{listening}"
        (tmp_path / "ports.csv").write_text(f"protocol;port;internal_port\n{row}\n")
        words = ("--gateway", where, *BACKENDS[by], *more, str(tmp_path / "ports.csv"))
        finished = program.run("doctor", "--json", *words)
        findings = json.loads(finished.output)["findings"]
        assert all(finding["advice"] for finding in findings if finding["severity"] in ("warning", "error"))
        errors = [finding for finding in findings if finding["severity"] == "error"]
        assert finished.status == (1 if errors else 0), finished.errors
        return {f["code"] for f in findings if f["severity"] in ("warning", "error")}

    return examine


@pytest.mark.parametrize("by", ["endpoint", "location"])
def test_a_healthy_gateway_has_nothing_wrong(examine: Examine, by: str) -> None:
    """It is reached over port 5351 or over UPnP."""
    assert examine(by=by) == set()


@pytest.mark.parametrize(
    ("options", "by", "code"),
    [
        (("--quirk", "P10"), "endpoint", "epoch-trouble"),
        (("--quirk", "P10-lag"), "endpoint", "epoch-trouble"),
        (("--external-address", "192.168.1.7"), "endpoint", "double-nat"),
        (("--external-address", "192.168.1.7"), "location", "double-nat"),
        (("--quirk", "P17"), "endpoint", "double-nat"),
        (("--profile", "isp-cgnat"), "endpoint", "cgnat"),
        (("--profile", "isp-cgnat"), "location", "cgnat"),
        (("--quirk", "P9"), "endpoint", "no-external-address"),
        (("--quirk", "S5"), "location", "no-external-address"),
        (("--quirk", "M1"), "location", "permanent-leases-only"),
        (("--quirk", "M4"), "location", "port-held-by-mechanism"),
        (("--quirk", "P16"), "endpoint", "port-denied"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_fault_of_the_gateway_is_reported(
    examine: Examine, options: tuple[str, ...], by: str, code: str
) -> None:
    """No other code is reported."""
    assert examine(*options, by=by) == {code}


def test_a_denied_port_is_reported(examine: Examine) -> None:
    """RouterOS denies ports by permission rules."""
    assert examine("--profile", "routeros", port=8291) == {"port-denied"}


def test_a_silent_gateway_is_reported(program: Any, silence: tuple[str, ...], tmp_path: Path) -> None:
    """Nothing else is examined."""
    finished = program.run("doctor", *silence, *BACKENDS["endpoint"])
    assert finished.status == 1
    assert finished.output.startswith("Problems:\n✗ no gateway answers over any protocol")
    assert finished.output.splitlines()[-1].startswith("- turn on UPnP, NAT-PMP or PCP in the router")
    assert "gateway-silent" not in finished.output


def test_no_probe_creates_no_mapping(program: Any, gateway: Any, ports: Path) -> None:
    """The gateway is only searched for."""
    assert program.run("doctor", "--no-probe", *gateway.options, str(ports)).status == 0
    assert [action for action, _ in gateway.requests() if action == "MAP"] == []


def test_test_mappings_are_released(program: Any, gateway: Any, ports: Path) -> None:
    """A high port and the desired port are mapped, and no mapping is left."""
    finished = program.run("doctor", *gateway.options, str(ports))
    assert "8080/tcp can be opened over PCP" in finished.output.splitlines()[0]
    assert gateway.ports() == set()


def test_an_unreadable_list_is_reported(program: Any, gateway: Any, tmp_path: Path) -> None:
    """Other lists are examined."""
    finished = program.run("doctor", "--json", *gateway.options, str(tmp_path / "none.csv"))
    findings = json.loads(finished.output)["findings"]
    assert [f["code"] for f in findings if f["severity"] == "error"] == ["source-unreadable"]
    assert finished.status == 1


def test_a_rejected_row_is_reported(program: Any, gateway: Any, ports: Path) -> None:
    """The finding has its place."""
    ports.write_text("port;protocol\n80x;TCP\n")
    finished = program.run("doctor", *gateway.options, str(ports))
    assert "line 2, column port" in finished.output


def test_an_unwritable_state_directory_is_reported(program: Any, gateway: Any, ports: Path) -> None:
    """A file has its name."""
    finished = program.run("doctor", "--json", "--state-dir", str(ports), *gateway.options)
    findings = json.loads(finished.output)["findings"]
    assert [f["code"] for f in findings if f["severity"] == "error"] == ["state-dir-not-writable"]


def test_ports_of_a_daemon_stay_open(program: Any, gateway: Any, ports: Path) -> None:
    """`doctor` gets the list from the daemon."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.logs("opened 8080/tcp")
        daemon.until(program.listener.exists, "listening")
        finished = program.run("doctor", *gateway.options)
        assert f"process {daemon.process.pid} holds" not in finished.output
        assert "8080/tcp is open from outside" in finished.output.splitlines()[0]
        assert f"process {daemon.process.pid} holds" in program.run("doctor", "-v", *gateway.options).output
        assert gateway.ports() == {8080}


def test_mappings_of_the_settings_file_are_examined(program: Any, gateway: Any, tmp_path: Path) -> None:
    """This happens if no daemon runs and no list is given."""
    settings = tmp_path / "portmapper.toml"
    settings.write_text('[[mapping]]\nport = 8080\nprotocol = "tcp"\n')
    finished = program.run("doctor", "--config", str(settings), *gateway.options)
    assert "8080/tcp can be opened" in finished.output
    assert finished.status == 0


def test_doctor_writes_a_report_without_a_gateway(program: Any, silence: Any, tmp_path: Path) -> None:
    """The command prints its findings, writes the file, and keeps its exit status."""
    finished = program.run("doctor", *silence, "--report", "report.txt")
    assert finished.status == 1
    assert "wrote report.txt" in finished.errors
    assert "## Doctor" in (tmp_path / "report.txt").read_text()
