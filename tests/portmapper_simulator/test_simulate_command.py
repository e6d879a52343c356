"""`portmapper simulate`, as a function and as a process."""

from __future__ import annotations

import argparse
import json
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest
from platforms import posix_only

from portmapper.api.errors import UsageError
from portmapper_simulator.plugin import portmapper_register_commands
from portmapper_simulator.profiles import PROFILES
from portmapper_simulator.simulate_command import SimulateCommand, read_settings

PROGRAM = (
    "import argparse, sys\n"
    "from portmapper.api.errors import PortmapperError\n"
    "from portmapper_simulator.simulate_command import SimulateCommand\n"
    "parser = argparse.ArgumentParser()\n"
    "command = SimulateCommand()\n"
    "command.add_arguments(parser)\n"
    "try:\n"
    "    sys.exit(command.run(parser.parse_args()))\n"
    "except PortmapperError as error:\n"
    "    sys.exit(str(error))\n"
)


ANY_PORTS = ("--pcp-port", "0", "--http-port", "0", "--ssdp-port", "0")


def parsed(*words: str) -> argparse.Namespace:
    """Parse a command line."""
    parser = argparse.ArgumentParser()
    SimulateCommand().add_arguments(parser)
    return parser.parse_args(words)


def started(*words: str) -> subprocess.Popen[str]:
    """Start the command as a process."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_plugin_registers_the_command() -> None:
    """The hook returns the class of the command."""
    assert SimulateCommand in portmapper_register_commands()


def test_the_defaults_are_the_standard_ports() -> None:
    """They are 5351 and 1900, on loopback."""
    settings = read_settings(parsed())
    assert (settings.host, settings.pcp_port, settings.ssdp_port) == ("127.0.0.1", 5351, 1900)
    assert settings.external_address == "11.22.33.44"


def test_quirks_are_added_to_the_profile() -> None:
    """The option can be repeated, and its names separated by commas."""
    settings = read_settings(parsed("--profile", "routeros", "--quirk", "M5,D4", "--quirk", "P8"))
    assert settings.quirks == PROFILES["routeros"].quirks | {"M5", "D4", "P8"}
    assert settings.protocols == {"natpmp", "upnp"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--quirk", "M99"), "unknown quirk 'M99'"),
        (("--profile", "router"), "did you mean 'routeros'"),
        (("--pcp-port", "70000"), "70000 is not a port"),
        (("--external-address", "here"), "'here' is not an IPv4 address"),
    ],
)
def test_an_invalid_option_is_a_usage_error(words: Any, message: str) -> None:
    """The error contains the invalid value."""
    with pytest.raises(UsageError, match=message):
        read_settings(parsed(*words))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@posix_only("sends signals of Unix")
def test_simulate_prints_its_addresses_and_stops_on_a_signal(number: signal.Signals) -> None:
    """It prints one line of JSON when ready, and exits with status 0."""
    with started(*ANY_PORTS, "--json", "--quirk", "M1") as process:
        addresses = json.loads(process.stdout.readline()) if process.stdout else {}
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert addresses.keys() == {
        "host",
        "pcp_port",
        "http_port",
        "ssdp_port",
        "location",
        "external_host",
        "external_address",
        "profile",
        "quirks",
    }
    assert addresses["quirks"] == ["M1"]
    assert addresses["location"] == f"http://127.0.0.1:{addresses['http_port']}/rootDesc.xml"


def test_a_port_in_use_is_an_error_on_one_line() -> None:
    """The error contains the port."""
    with socket.socket(type=socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = str(held.getsockname()[1])
        process = started(*ANY_PORTS, "--pcp-port", port)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert port in errors


def test_the_clock_begins_with_the_announced_start() -> None:
    """Otherwise a client cannot tell a repeated announcement from another restart."""
    parser = argparse.ArgumentParser()
    SimulateCommand().add_arguments(parser)
    assert read_settings(parser.parse_args([])).uptime == 0
