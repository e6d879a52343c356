"""`portmapper stop`."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_the_daemon_has_ended_when_the_command_returns(program: Any, gateway: Any, ports: Path) -> None:
    """The pid file and the socket are gone, and the daemon's exit status is 0."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.logs("opened 8080/tcp")
        daemon.until(program.listener.exists, "listening")
        finished = program.run("stop")
        assert (finished.status, finished.errors) == (0, "")
        assert str(daemon.process.pid) in finished.output
        assert not (program.state / "portmapper.pid").exists()
        assert daemon.ended() == 0


def test_without_a_daemon_the_status_is_1(program: Any) -> None:
    """The message names the state directory."""
    finished = program.run("stop")
    assert (finished.status, finished.output) == (1, "")
    assert f"no daemon runs for {program.state}" in finished.errors
