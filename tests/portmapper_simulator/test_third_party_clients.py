"""Third-party clients, Debian's upnpc and natpmpc, against the embedded gateway.

natpmpc supports only port 5351, and upnpc searches only on port 1900. Therefore the gateway runs in a
separate network namespace, on the standard ports.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.lab

PACKAGES = {"ip": "iproute2", "upnpc": "miniupnpc", "natpmpc": "natpmpc"}
TIMEOUT = 60
SIMULATE = (
    "import argparse\n"
    "from portmapper_simulator.simulate_command import SimulateCommand\n"
    "parser = argparse.ArgumentParser()\n"
    "command = SimulateCommand()\n"
    "command.add_arguments(parser)\n"
    "raise SystemExit(command.run(parser.parse_args()))\n"
)
SERVE = (
    "import socket\n"
    "tcp = socket.create_server(('10.99.0.1', 8000))\n"
    "udp = socket.socket(type=socket.SOCK_DGRAM)\n"
    "udp.bind(('10.99.0.1', 8000))\n"
    "print('ready', flush=True)\n"
    "while True:\n"
    "    data, sender = udp.recvfrom(100)\n"
    "    udp.sendto(b'udp ' + data, sender)\n"
    "    connection, _ = tcp.accept()\n"
    "    connection.sendall(b'tcp ' + connection.recv(100))\n"
    "    connection.close()\n"
)
QUERY = (
    "import socket, sys\n"
    "for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):\n"
    "    with socket.socket(type=kind) as client:\n"
    "        client.settimeout(20)\n"
    "        client.connect(('127.0.0.2', int(sys.argv[1])))\n"
    "        client.send(b'hello')\n"
    "        print(client.recv(100).decode())\n"
)

Run = Callable[..., str]


def _missing_requirement() -> str | None:
    """Return why namespaces are not available here, or None."""
    if os.geteuid() != 0:
        return "a network namespace needs root"
    if missing := sorted(package for name, package in PACKAGES.items() if shutil.which(name) is None):
        return f"needs the Debian packages {' '.join(missing)}"
    probe = subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True)
    return None if probe.returncode == 0 else "network namespaces are not available"


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """A namespace with the loopback interface up and a LAN address; removed at the end."""
    if reason := _missing_requirement():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    name = f"simh-{os.getpid()}-{secrets.token_hex(3)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for command in (
            ("link", "set", "lo", "up"),
            ("link", "add", "lan", "type", "veth", "peer", "name", "far"),
            ("addr", "add", "10.99.0.1/24", "dev", "lan"),
            ("link", "set", "lan", "up"),
            ("link", "set", "far", "up"),
        ):
            subprocess.run(["ip", "-n", name, *command], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def _popen(namespace: str, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["ip", "netns", "exec", namespace, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def run(namespace: str) -> Run:
    """Return a function that runs a command in the namespace and returns its output."""

    def run(*command: str) -> str:
        process = _popen(namespace, *command)
        try:
            output, _ = process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
        assert process.returncode == 0, output
        return output

    return run


def _started(namespace: str, *command: str) -> Iterator[str]:
    """Run a program; yield the first line it prints; stop it."""
    process = _popen(namespace, *command)
    try:
        assert process.stdout is not None
        yield process.stdout.readline()
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT)


@pytest.fixture(scope="module")
def gateway(namespace: str) -> Iterator[dict[str, Any]]:
    """`simulate` on the standard ports; its JSON line."""
    for line in _started(namespace, sys.executable, "-c", SIMULATE, "--host", "10.99.0.1", "--json"):
        yield json.loads(line)


@pytest.fixture(scope="module")
def server(namespace: str) -> Iterator[str]:
    """A UDP and TCP server in the namespace, on port 8000."""
    yield from _started(namespace, sys.executable, "-c", SERVE)


def query(run: Run, port: int) -> list[str]:
    """Return the answers of an external port over UDP and TCP."""
    return run(sys.executable, "-c", QUERY, str(port)).split("\n")[:2]


def test_natpmpc_opens_and_closes_ports(gateway: dict[str, Any], server: str, run: Run) -> None:
    """A mapped port answers on the external side."""
    assert "Public IP address : 11.22.33.44" in run("natpmpc", "-g", "10.99.0.1")
    for protocol in ("udp", "tcp"):
        mapped = run("natpmpc", "-g", "10.99.0.1", "-a", "8001", "8000", protocol, "600")
        assert "Mapped public port 8001" in mapped
        assert "time 600" in mapped
    assert query(run, 8001) == ["udp hello", "tcp hello"]
    for protocol in ("udp", "tcp"):
        run("natpmpc", "-g", "10.99.0.1", "-a", "0", "8000", protocol, "0")
    with pytest.raises(AssertionError, match="ConnectionRefused"):
        query(run, 8001)


def test_upnpc_opens_lists_and_closes_ports(gateway: dict[str, Any], server: str, run: Run) -> None:
    """upnpc gets the URL of the description."""
    upnpc = ("upnpc", "-u", gateway["location"])
    shown = run(*upnpc, "-s")
    assert "Status : Connected" in shown
    assert "ExternalIPAddress = 11.22.33.44" in shown
    for protocol in ("UDP", "TCP"):
        added = run(*upnpc, "-e", "our web server", "-a", "10.99.0.1", "8000", "8002", protocol, "600")
        assert f"external 11.22.33.44:8002 {protocol} is redirected" in added
    assert query(run, 8002) == ["udp hello", "tcp hello"]
    row = "TCP  8002->10.99.0.1:8000  'our web server' ''"
    assert row in run(*upnpc, "-l")
    assert "TCP  8002->10.99.0.1:8000" in run(*upnpc, "-L")
    for protocol in ("UDP", "TCP"):
        assert "returned : 0" in run(*upnpc, "-d", "8002", protocol)
    assert "8002->" not in run(*upnpc, "-l")


def test_upnpc_takes_another_port(gateway: dict[str, Any], run: Run) -> None:
    """It uses AddAnyPortMapping if another host holds the requested port."""
    upnpc = ("upnpc", "-u", gateway["location"])
    run(*upnpc, "-a", "10.99.0.7", "8000", "8003", "TCP", "600")
    assert "external 11.22.33.44:8004 TCP is redirected" in run(
        *upnpc, "-n", "10.99.0.1", "8000", "8003", "TCP", "600"
    )


def test_upnpc_finds_it_by_multicast(gateway: dict[str, Any], run: Run) -> None:
    """upnpc gets only the interface to search on."""
    assert gateway["location"] in run("upnpc", "-m", "10.99.0.1", "-s")
