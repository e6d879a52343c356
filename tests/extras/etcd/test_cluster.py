"""Two daemons with a list and an election in a real etcd, and a gateway in software."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from etcd_server import Server
from running_program import LoopbackGateway, Program, until

from portmapper.control.client import NotRunning, call_daemon

LEADER, PREFIX = "portmapper/leader", "portmapper/ports/"
LIMIT = 60.0


@pytest.fixture
def loopback() -> Iterator[LoopbackGateway]:
    """A gateway that speaks PCP."""
    gateway = LoopbackGateway()
    yield gateway
    gateway.close()


class Node:
    """One daemon of the cluster."""

    def __init__(self, directory: Path, etcd: Server, gateway: LoopbackGateway) -> None:
        directory.mkdir()
        self.program = Program(directory)
        (directory / "secret").write_text("a secret of this cluster")
        self.program.environment["PORTMAPPER_CLUSTER_SECRET_FILE"] = str(directory / "secret")
        guard = ("--lead-with", f"etcd:{etcd.url}/{LEADER}")
        self.options = ("run", *gateway.options, *guard, f"etcd:{etcd.url}/{PREFIX}")

    def status(self) -> dict[str, Any]:
        """Return the status document, empty without a daemon."""
        try:
            document: dict[str, Any] = call_daemon(self.program.state, "status")
        except NotRunning:
            return {}
        return document

    def role(self) -> object:
        """Return its role."""
        return self.status().get("role")


def put(etcd: Server, name: str, port: int) -> None:
    """Write a row."""
    asyncio.run(etcd.put(PREFIX + name, json.dumps({"port": port, "protocol": "tcp"})))


def test_the_next_daemon_takes_over(etcd: Server, loopback: LoopbackGateway, tmp_path: Path) -> None:
    """A killed leader's mapping is renewed, and a row that was added meanwhile is opened."""
    put(etcd, "web", 8443)
    one, two = Node(tmp_path / "a", etcd, loopback), Node(tmp_path / "b", etcd, loopback)
    with one.program.running(*one.options) as first:
        until(lambda: loopback.ports() == {8443}, "open", LIMIT)
        with two.program.running(*two.options):
            until(lambda: two.role() == "standby", "on standby", LIMIT)
            leader = one.status()["leader"]
            until(lambda: leader is not None and two.status().get("leader") == leader, "known", LIMIT)
            first.process.kill()
            killed = time.monotonic()
            put(etcd, "game", 9000)
            until(lambda: loopback.ports() == {8443, 9000}, "open", LIMIT)
            print(f"a killed leader: the new row is open after {time.monotonic() - killed:.2f} s")
            until(lambda: _states(two) == {"active"}, "active", LIMIT)
            assert two.role() == "leader"


def test_without_etcd_the_leader_stops_and_closes_nothing(
    etcd: Server, loopback: LoopbackGateway, tmp_path: Path
) -> None:
    """It ends with status 5. Started again, it waits for etcd, and takes its mapping over."""
    put(etcd, "web", 8443)
    node = Node(tmp_path / "a", etcd, loopback)
    with node.program.running(*node.options) as running:
        until(lambda: loopback.ports() == {8443}, "open", LIMIT)
        etcd.stop()
        assert running.ended() == 5
        assert "lost leadership" in running.log
    assert loopback.ports() == {8443}
    with node.program.running(*node.options) as running:
        until(lambda: node.role() == "standby", "on standby", LIMIT)
        assert loopback.ports() == {8443}
        etcd.start()
        until(lambda: node.role() == "leader" and _states(node) == {"active"}, "leading again", 2 * LIMIT)
        running.signal(signal.SIGTERM)
        assert running.ended() == 0
    assert loopback.ports() == {8443}


def _states(node: Node) -> set[str]:
    return {mapping["state"] for mapping in node.status().get("mappings", [])}
