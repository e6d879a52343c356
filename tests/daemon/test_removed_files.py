"""Files of the state directory that are removed while the daemon runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any


def test_the_state_directory_is_created_again(program: Any, gateway: Any, ports: Path) -> None:
    """With pid file, control socket and lease store: commands find the daemon, and no second one starts."""
    with program.running("run", "-n", "1", *gateway.options, str(ports)) as daemon:
        daemon.until(lambda: gateway.ports() == {8080}, "opened")
        shutil.rmtree(program.state)
        daemon.until(program.pid_file.exists, "wrote its pid again")
        assert program.pid_file.read_text() == f"{daemon.process.pid}\n"
        daemon.until((program.state / "control.sock").exists, "listening again")
        assert program.run("status", "--json").status == 0
        second = program.run("run", *gateway.options, str(ports))
        assert (second.status, "already running" in second.errors) == (4, True)
        daemon.until((program.state / "leases.sqlite3").exists, "wrote the lease store again")
    assert gateway.ports() == {8080}
