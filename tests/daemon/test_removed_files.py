"""Files of the state directory that are removed while the daemon runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any


def pid(program: Any) -> str:
    """Return the content of the pid file, empty while it is missing."""
    try:
        return str(program.pid_file.read_text())
    except FileNotFoundError:
        return ""


def test_the_state_directory_is_created_again(program: Any, gateway: Any, ports: Path) -> None:
    """With pid file, control socket and lease store: commands find the daemon, and no second one starts."""
    with program.running("run", "-n", "1", *gateway.options, str(ports)) as daemon:
        daemon.until(lambda: gateway.ports() == {8080}, "opened")
        shutil.rmtree(program.state, ignore_errors=True)  # the daemon may already have written a file again
        daemon.until(lambda: pid(program) == f"{daemon.process.pid}\n", "wrote its pid again")
        daemon.until(program.listener.exists, "listening again")
        assert program.run("status", "--json").status == 0
        second = program.run("run", *gateway.options, str(ports))
        assert (second.status, "already running" in second.errors) == (4, True)
        daemon.until((program.state / "leases.sqlite3").exists, "wrote the lease store again")
    assert gateway.ports() == {8080}


def test_ports_that_a_damaged_store_has_lost_are_closed(program: Any, upnp_gateway: Any, ports: Path) -> None:
    """The gateway's table shows which are ours; those that are listed stay open."""
    ports.write_text("port;protocol\n8080;TCP\n8090;TCP\n")
    arguments = ("run", "-n", "1", *upnp_gateway.options, str(ports))
    with program.running(*arguments) as daemon:
        daemon.until(lambda: upnp_gateway.ports() == {8080, 8090}, "opened")
        daemon.process.kill()
        daemon.process.wait()
    (program.state / "leases.sqlite3").write_bytes(b"damaged" * 1000)
    (program.state / "leases.sqlite3-wal").unlink(missing_ok=True)
    ports.write_text("port;protocol\n8080;TCP\n")
    with program.running(*arguments) as daemon:
        daemon.until(lambda: upnp_gateway.ports() == {8080}, "closed what is not listed")
        assert list(program.state.glob("leases.sqlite3.damaged-*"))
