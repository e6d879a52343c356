"""`portmapper run` with its options, for one pass and until a signal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portmapper.cli.main import main

HEADER = "port;protocol\n"


def test_an_unreadable_list_at_start_is_an_error(program: Any, ports: Path) -> None:
    """No daemon starts, because there is no earlier list to use."""
    ports.unlink()
    finished = program.run("run", str(ports))
    assert (finished.status, finished.output) == (2, "")
    assert finished.errors.splitlines() == [f"portmapper: {ports}: no such file"]


def test_removed_rows_and_open_ports_are_closed_on_exit(program: Any, ports: Path, gateway: Any) -> None:
    """`--close-ports-on-exit` closes every port that this run opened."""
    ports.write_text(HEADER + "8080-8081;TCP\n")
    with program.running("run", "--close-ports-on-exit", "-n", "3600", *gateway.options, str(ports)) as run:
        run.until(lambda: gateway.ports() == {8080, 8081}, "open")
        ports.write_text(HEADER + "8080;TCP\n")
        run.until(lambda: gateway.ports() == {8080}, "closed")
        run.signal(15)
        assert run.ended() == 0, run.log
    assert gateway.ports() == set()


def test_only_close_ports_closes_the_listed_ports(program: Any, ports: Path, gateway: Any) -> None:
    """Other ports stay open, and a port that is not open is not an error."""
    ports.write_text(HEADER + "8080-8081;TCP\n")
    assert program.run("run", "--oneshot", *gateway.options, str(ports)).status == 0
    ports.write_text(HEADER + "8080;TCP\n")
    for _ in ("open", "not open"):
        finished = program.run("run", "--only-close-ports", *gateway.options, str(ports))
        assert finished.status == 0, finished.errors
        assert gateway.ports() == {8081}


@pytest.mark.parametrize(
    "words",
    [
        ["-F", "-f", "ports.csv", "-n", "60"],
        ["run", "ports.csv", "-n", "60"],
        ["run", "-n60", "ports.csv", "--conflict", "own"],
        ["--foreground", "--file=./ports.csv", "--interval=60"],
    ],
    ids=" ".join,
)
def test_options_without_a_command_run(program: Any, ports: Path, gateway: Any, words: list[str]) -> None:
    """A unit file of upnp-daemon works without changes, and options may be in any order."""
    with program.running(*words, *gateway.options) as run:
        run.until(lambda: gateway.ports() == {8080}, "open")


def test_an_invalid_row_is_reported_and_skipped(program: Any, ports: Path, gateway: Any) -> None:
    """One line has its row, column, value and reason; the other rows are opened, and the exit status is 1."""
    ports.write_text(HEADER + "8080;TCP\n" + "70000;TCP\n8081;XTP\n")
    finished = program.run("-1", "-f", str(ports), *gateway.options)
    assert finished.status == 1
    first, second = finished.errors.splitlines()
    assert "line 3, column port: '70000' is not a port (1-65535)" in first
    assert "line 4, column protocol: 'XTP' is not one of TCP, UDP, BOTH" in second
    assert gateway.ports() == {8080}


def test_another_host_can_be_mapped_over_pcp(program: Any, ports: Path, gateway: Any) -> None:
    """The gateway accepts the THIRD_PARTY option."""
    ports.write_text("address;port;protocol\n192.0.2.7;8080;TCP\n")
    finished = program.run("-1", "--json", "-f", str(ports), *gateway.options)
    assert finished.status == 0, finished.errors
    (mapping,) = json.loads(finished.output)["mappings"]
    assert (mapping["backend"], mapping["internal_address"]) == ("pcp", "192.0.2.7")
    assert gateway.ports() == {8080}


@pytest.mark.parametrize(
    ("address", "internal"),
    [
        ("", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("127/8", "127.0.0.1"),
        ("127.0.0.9/255.0.0.0", "127.0.0.1"),
    ],
)
def test_addresses_that_mean_this_host(
    program: Any, ports: Path, gateway: Any, address: str, internal: str
) -> None:
    """The mapping uses this host's address as the gateway sees it."""
    ports.write_text(f"address;port;protocol\n{address};8080;TCP\n")
    finished = program.run("-1", "--json", "-f", str(ports), *gateway.options)
    assert finished.status == 0, finished.errors
    assert json.loads(finished.output)["mappings"][0]["internal_address"] == internal


def test_a_network_without_a_gateway_is_an_error(program: Any, ports: Path, gateway: Any) -> None:
    """The gateway is reached from another network: the exit status is 1, and the reason is printed."""
    ports.write_text("address;port;protocol\n192.168.0/24;8080;TCP\n")
    finished = program.run("-1", "-f", str(ports), *gateway.options)
    assert finished.status == 1
    assert "192.168.0.0/24" in finished.errors
    assert gateway.ports() == set()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--json"], "--json needs --oneshot"),
        (["--daemon", "--oneshot"], "--daemon cannot be combined"),
        (["--daemon", "--foreground"], "--daemon cannot be combined"),
        (["--daemon", "--only-close-ports"], "--daemon cannot be combined"),
    ],
)
def test_options_that_exclude_each_other_are_a_usage_error(
    options: list[str], message: str, ports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is opened."""
    assert main(["run", *options, str(ports)]) == 2
    assert message in capsys.readouterr().err


def test_a_pass_without_a_gateway_ends_with_status_3(
    program: Any, silence: tuple[str, ...], ports: Path
) -> None:
    """The message points to `doctor`."""
    finished = program.run("run", "--oneshot", str(ports), *silence, "--backend", "pcp")
    assert finished.status == 3
    assert "run 'portmapper doctor'" in finished.errors
