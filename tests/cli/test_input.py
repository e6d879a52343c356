"""Where the list comes from, spelt as upnp-daemon's users spell it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

LIST = "port;protocol\n8080;TCP\n"


@pytest.mark.parametrize(
    ("spelling", "stdin", "status"),
    [
        (["--format", "csv"], "", 0),
        (["--format", "json"], "", 2),
        (["--format", "json"], "[]", 0),
    ],
    ids=["empty CSV passes", "empty JSON fails", "empty array passes"],
)
def test_empty_standard_input(program: Any, spelling: list[str], stdin: str, status: int) -> None:
    """The three input tests of upnp-daemon's binary."""
    finished = program.run("--foreground", "--oneshot", *spelling, "--file", "-", stdin=stdin)
    assert finished.status == status, finished.errors
    assert finished.output == ""
    assert len(finished.errors.splitlines()) == (1 if status else 0)


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
def test_without_a_verb_it_runs(program: Any, ports: Path, gateway: Any, words: list[str]) -> None:
    """A unit file of upnp-daemon's keeps its flags; ours may be in any order."""
    with program.running(*words, *gateway.options) as run:
        run.until(lambda: gateway.ports() == {8080}, "open")


@pytest.mark.parametrize("words", [["-1f-"], ["-1", "-f", "-"], ["run", "-1", "-"]], ids=" ".join)
def test_a_dash_is_standard_input(program: Any, gateway: Any, words: list[str]) -> None:
    """Combined flags too."""
    finished = program.run(*words, *gateway.options, stdin=LIST)
    assert finished.status == 0, finished.errors
    assert gateway.ports() == {8080}


def test_a_file_may_be_called_dash(program: Any, gateway: Any) -> None:
    """`./-` is a file, and standard input is left alone."""
    (program.directory / "-").write_text(LIST)
    finished = program.run("-1", "-f", "./-", *gateway.options, stdin="nonsense")
    assert finished.status == 0, finished.errors
    assert gateway.ports() == {8080}


def test_standard_input_is_read_once_and_kept(program: Any, gateway: Any) -> None:
    """After its end the list stands through intervals and SIGHUP."""
    with program.running("-f", "-", "-n", "1", *gateway.options, stdin=subprocess.PIPE) as run:
        run.process.stdin.write(LIST.encode())
        run.process.stdin.close()
        run.until(lambda: gateway.ports() == {8080}, "open")
        requested = len(gateway.requests())
        run.signal(1)
        run.until(lambda: len(gateway.requests()) >= requested, "past a reload")
        run.signal(15)
        assert run.ended() == 0
    assert gateway.ports() == {8080}
    assert "stale" not in run.log
    assert "last good" not in run.log


@pytest.mark.parametrize("delimiter", ["", ";;", "ab", '"', "\n"])
def test_a_delimiter_is_one_character(program: Any, ports: Path, delimiter: str) -> None:
    """Anything else is a usage error."""
    finished = program.run("-1", "-f", str(ports), "-d", delimiter)
    assert finished.status == 2
    assert finished.output == ""
    assert "delimiter" in finished.errors
    assert "Traceback" not in finished.errors


@pytest.mark.parametrize(("typed", "written"), [("\\t", "\t"), ("\t", "\t"), (",", ","), ("|", "|")])
def test_other_delimiters(program: Any, ports: Path, typed: str, written: str) -> None:
    """A tab may be typed as backslash and t."""
    ports.write_text(LIST.replace(";", written))
    finished = program.run("check", "--json", "-d", typed, str(ports))
    assert finished.status == 0, finished.errors
    assert [mapping["port"] for mapping in json.loads(finished.output)["mappings"]] == [8080]


def test_a_relative_pid_file_is_a_usage_error(program: Any, ports: Path) -> None:
    """A daemon leaves its directory."""
    finished = program.run("-1", "-f", str(ports), "--pid-file", "portmapper.pid")
    assert finished.status == 2
    assert "absolute" in finished.errors


@pytest.mark.parametrize("interval", ["0", "-5", "soon", "nan", "inf"])
def test_an_interval_is_a_number_of_seconds(program: Any, ports: Path, interval: str) -> None:
    """One second at least."""
    finished = program.run("-1", "-f", str(ports), f"--interval={interval}")
    assert finished.status == 2
    assert "--interval" in finished.errors


def test_a_wrong_log_level_in_the_environment_is_a_usage_error(program: Any, ports: Path) -> None:
    """It is named, with what there is."""
    program.environment["PORTMAPPER_LOG"] = "loud"
    finished = program.run("-1", "-f", str(ports))
    assert finished.status == 2
    assert "PORTMAPPER_LOG=loud" in finished.errors


def test_a_bad_row_is_named_and_skipped(program: Any, ports: Path, gateway: Any) -> None:
    """Row, column, value and reason in one line; the others go on, and the exit status tells."""
    ports.write_text(LIST + "70000;TCP\n8081;XTP\n")
    finished = program.run("-1", "-f", str(ports), *gateway.options)
    assert finished.status == 1
    first, second = finished.errors.splitlines()
    assert "line 3, column port: '70000' is not in 1-65535" in first
    assert "line 4, column protocol: 'XTP' is not one of TCP, UDP, BOTH" in second
    assert gateway.ports() == {8080}


def test_a_foreign_device_over_pcp(program: Any, ports: Path, gateway: Any) -> None:
    """Where the gateway takes the THIRD_PARTY option, another host's port is opened."""
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
    """The address that the gateway sees is the one that gets the packets."""
    ports.write_text(f"address;port;protocol\n{address};8080;TCP\n")
    finished = program.run("-1", "--json", "-f", str(ports), *gateway.options)
    assert finished.status == 0, finished.errors
    assert json.loads(finished.output)["mappings"][0]["internal_address"] == internal


def test_a_network_that_the_gateway_is_not_reached_from(program: Any, ports: Path, gateway: Any) -> None:
    """No gateway is to blame: exit 1, and the reason."""
    ports.write_text("address;port;protocol\n192.168.0/24;8080;TCP\n")
    finished = program.run("-1", "-f", str(ports), *gateway.options)
    assert finished.status == 1
    assert "192.168.0.0/24" in finished.errors
    assert gateway.ports() == set()
