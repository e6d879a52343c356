"""The program, the simulator of a VPN provider and a real torrent client, together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running_program import PROGRAM, Program, until
from torrent_clients import Transmission

pytestmark = pytest.mark.lab

OUTSIDE = "127.0.0.9"
LIST = "port;protocol;internal_port;comment\nany;both;6881;torrents\n"


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[Callable[[int], subprocess.Popen[bytes]]]:
    """Start the simulator on a port; its external address is on loopback too."""
    started: list[subprocess.Popen[bytes]] = []

    def start(port: int) -> subprocess.Popen[bytes]:
        places = ["--pcp-port", str(port), "--external-host", OUTSIDE, "--external-address", "203.0.113.9"]
        output = tmp_path / f"gateway{len(started)}"
        with output.open("wb") as stream:
            words = [*PROGRAM, "simulate", "--profile", "vpn-natpmp", "--json", *places]
            started.append(subprocess.Popen(words, stdout=stream))
        until(lambda: output.read_bytes().endswith(b"\n"), "gateway ready")
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def passes(port: int) -> bool:
    """Return whether a connection from outside reaches a client that keeps it open."""
    try:
        with socket.create_connection((OUTSIDE, port), timeout=1) as connection:
            connection.settimeout(0.3)
            return connection.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def external_port(program: Program) -> int:
    """Return the port that is open now, 0 for none."""
    shown = program.run("status", "--json").output
    mappings: list[dict[str, Any]] = json.loads(shown)["mappings"] if shown else []
    ports = {mapping["external_port"] for mapping in mappings if mapping["state"] == "active"}
    return ports.pop() if len(ports) == 1 else 0


def test_a_connection_from_outside_reaches_the_client_on_each_granted_port(
    program: Program,
    tmp_path: Path,
    free_port: Callable[[], int],
    start_gateway: Callable[[int], subprocess.Popen[bytes]],
) -> None:
    """The gateway restarts and grants another port; the client follows without a restart."""
    client = Transmission(tmp_path, free_port)
    (tmp_path / "ports.csv").write_text(LIST)
    prefix = "PORTMAPPER_PLUGIN_TRANSMISSION_"
    url = f"{client.table['url']}/transmission/rpc"
    settings = {**client.table, "url": url, "mapping": "6881"}
    program.environment |= {f"{prefix}{key.upper()}": value for key, value in settings.items()}
    place = free_port()
    gateway = start_gateway(place)
    client.start()
    try:
        words = ("--gateway", f"127.0.0.1:{place}", "--backend", "natpmp", "--interval", "1s")
        with program.running("run", "ports.csv", *words) as daemon:
            daemon.until(lambda: passes(external_port(program)), "reachable")
            first = external_port(program)
            os.kill(gateway.pid, signal.SIGKILL)
            gateway.wait()
            start_gateway(place)
            daemon.until(lambda: external_port(program) not in (0, first), "moved")
            daemon.until(lambda: passes(external_port(program)), "reachable again")
    finally:
        client.stop()
