"""`doctor` names the cause, and only that, of faults that the software gateway shows on command."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Examine = Callable[..., set[str]]


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of this host that is answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def simulated() -> Iterator[Callable[..., dict[str, Any]]]:
    """Return what starts a software gateway and tells where it is."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: str) -> dict[str, Any]:
        anywhere = ("--pcp-port", "0", "--http-port", "0", "--ssdp-port", "0", "--json")
        command = [sys.executable, "-P", "-m", "portmapper.cli.main", "simulate", *anywhere, *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        return dict(json.loads(process.stdout.readline()))

    yield start
    for process in running:
        process.terminate()
        process.communicate()


@pytest.fixture
def examine(program: Any, simulated: Any, listening: int, tmp_path: Path) -> Examine:
    """Return what starts such a gateway and returns the codes of the warnings and errors there."""

    def examine(*options: str, by: str = "pcp_port", port: int = 0, more: tuple[str, ...] = ()) -> set[str]:
        facts = simulated(*options)
        where = facts["location"] if by == "location" else f"127.0.0.1:{facts[by]}"
        row = f"TCP;{port or listening};{listening}"
        (tmp_path / "ports.csv").write_text(f"protocol;port;internal_port\n{row}\n")
        told = program.run("doctor", "--json", "--gateway", where, *more, str(tmp_path / "ports.csv"))
        findings = json.loads(told.output)["findings"]
        assert all(finding["advice"] for finding in findings if finding["severity"] in ("warning", "error"))
        errors = [finding for finding in findings if finding["severity"] == "error"]
        assert told.status == (1 if errors else 0), told.errors
        return {f["code"] for f in findings if f["severity"] in ("warning", "error")}

    return examine


@pytest.mark.parametrize("by", ["pcp_port", "location"])
def test_a_healthy_gateway_has_nothing_wrong(examine: Examine, by: str) -> None:
    """Over port 5351, and over UPnP."""
    assert examine(by=by) == set()


@pytest.mark.parametrize(
    ("options", "by", "code"),
    [
        (("--quirk", "P10"), "pcp_port", "epoch-trouble"),
        (("--quirk", "P10-lag"), "pcp_port", "epoch-trouble"),
        (("--external-address", "192.168.1.7"), "pcp_port", "double-nat"),
        (("--external-address", "192.168.1.7"), "location", "double-nat"),
        (("--quirk", "P17"), "pcp_port", "double-nat"),
        (("--profile", "isp-cgnat"), "pcp_port", "cgnat"),
        (("--profile", "isp-cgnat"), "location", "cgnat"),
        (("--quirk", "P9"), "pcp_port", "no-external-address"),
        (("--quirk", "S5"), "location", "no-external-address"),
        (("--quirk", "M1"), "location", "permanent-leases-only"),
        (("--quirk", "M4"), "location", "port-held-by-mechanism"),
        (("--quirk", "P16"), "pcp_port", "port-denied"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_fault_of_the_gateway_is_named(
    examine: Examine, options: tuple[str, ...], by: str, code: str
) -> None:
    """And nothing else is."""
    assert examine(*options, by=by) == {code}


def test_a_denied_port_is_named(examine: Examine) -> None:
    """By a permission rule as RouterOS has them."""
    assert examine("--profile", "routeros", port=8291) == {"port-denied"}


def test_a_silent_gateway_is_named(program: Any, silence: tuple[str, ...], tmp_path: Path) -> None:
    """Nothing else is examined there."""
    told = program.run("doctor", *silence)
    assert told.status == 1
    assert "gateway-silent" in told.output
    assert told.output.splitlines()[-1] == "1 to look at: gateway-silent"


def test_without_probing_no_mapping_is_made(program: Any, gateway: Any, ports: Path) -> None:
    """The gateway is only asked who it is."""
    assert program.run("doctor", "--no-probe", *gateway.options, str(ports)).status == 0
    assert [action for action, _ in gateway.requests() if action == "MAP"] == []


def test_test_mappings_are_given_back(program: Any, gateway: Any, ports: Path) -> None:
    """A high port and the wanted one are asked for, and none is left."""
    told = program.run("doctor", *gateway.options, str(ports))
    assert "TCP 8080 can be opened" in told.output
    assert gateway.ports() == set()


def test_a_list_that_cannot_be_read_is_named(program: Any, gateway: Any, tmp_path: Path) -> None:
    """And the others are examined all the same."""
    told = program.run("doctor", "--json", *gateway.options, str(tmp_path / "none.csv"))
    findings = json.loads(told.output)["findings"]
    assert [f["code"] for f in findings if f["severity"] == "error"] == ["source-unreadable"]
    assert told.status == 1


def test_a_row_that_is_left_out_is_named(program: Any, gateway: Any, ports: Path) -> None:
    """With its place and what is wrong with it."""
    ports.write_text("port;protocol\n80x;TCP\n")
    told = program.run("doctor", *gateway.options, str(ports))
    assert "line 2, column port" in told.output


def test_a_state_directory_that_cannot_be_written_is_named(program: Any, gateway: Any, ports: Path) -> None:
    """A file is in its place."""
    told = program.run("doctor", "--json", "--state-dir", str(ports), *gateway.options)
    findings = json.loads(told.output)["findings"]
    assert [f["code"] for f in findings if f["severity"] == "error"] == ["state-dir-not-writable"]


def test_what_a_daemon_keeps_open_is_left_alone(program: Any, gateway: Any, ports: Path) -> None:
    """It is asked for its list, and its ports stay open."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.logs("opened TCP")
        daemon.until((program.state / "control.sock").exists, "listening")
        told = program.run("doctor", *gateway.options)
        assert f"process {daemon.process.pid} holds" in told.output
        assert "TCP 8080 is open" in told.output
        assert gateway.ports() == {8080}


def test_the_settings_file_is_heeded(program: Any, gateway: Any, tmp_path: Path) -> None:
    """Its mappings are examined where no daemon runs and no list is named."""
    settings = tmp_path / "portmapper.toml"
    settings.write_text('[[mapping]]\nport = 8080\nprotocol = "tcp"\n')
    told = program.run("doctor", "--config", str(settings), *gateway.options)
    assert "TCP 8080 can be opened" in told.output
    assert told.status == 0
