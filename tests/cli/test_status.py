"""`portmapper status`, with a daemon and without one."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from portmapper.api.errors import PortmapperError
from portmapper.cli import status


def test_the_daemons_mappings_are_shown(program: Any, gateway: Any, ports: Path) -> None:
    """The exit status is 0, in whatever state the mappings are."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.logs("opened 8080/tcp")
        daemon.until(program.listener.exists, "listening")
        finished = program.run("status", "--json")
        assert (finished.status, finished.errors) == (0, "")
        document = json.loads(finished.output)
        assert document["pid"] == daemon.process.pid
        (mapping,) = document["mappings"]
        assert (mapping["state"], mapping["external_port"], mapping["backend"]) == ("active", 8080, "pcp")
        assert [source["state"] for source in document["sources"]] == ["ok"]
        assert program.run("status").output.startswith("1 of 1 open")
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0


def test_status_of_an_unreachable_gateway_is_no_error(program: Any, silence: Any, ports: Path) -> None:
    """The daemon answered, so the exit status is 0; the mapping is pending."""
    with program.running("run", *silence, str(ports)) as daemon:
        daemon.until(program.listener.exists, "listening")
        finished = program.run("status", "--json")
        assert finished.status == 0
        assert [mapping["state"] for mapping in json.loads(finished.output)["mappings"]] == ["pending"]


def test_a_damaged_store_is_replaced_and_shown(program: Any, gateway: Any, ports: Path) -> None:
    """The JSON and the log show it, the ports stay open, and the new store has every lease."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.logs("opened 8080/tcp")
        daemon.until(program.listener.exists, "listening")
        for file in program.state.glob("leases.sqlite3*"):
            file.unlink()
        (program.state / "leases.sqlite3").write_bytes(b"no such thing" * 100)
        ports.write_text(ports.read_text() + "8090;TCP\n")
        daemon.logs("the lease store is damaged")
        daemon.logs("can be written again")
        document = json.loads(program.run("status", "--json").output)
        (problem,) = document["problems"]
        assert problem["part"] == "lease store"
        assert "leases.sqlite3.damaged-" in problem["error"]
        assert document["mappings"][0]["state"] == "active"
        daemon.logs("opened 8090/tcp")
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
    assert len(json.loads(program.run("status", "--json").output)["mappings"]) == 2


def test_without_a_daemon_stored_leases_are_shown(program: Any, gateway: Any, ports: Path) -> None:
    """Standard error reports that no daemon runs, and the exit status is 1."""
    assert program.run("run", "--oneshot", *gateway.options, str(ports)).status == 0
    finished = program.run("status", "--json")
    assert finished.status == 1
    assert "no daemon runs" in finished.errors
    (mapping,) = json.loads(finished.output)["mappings"]
    assert (mapping["state"], mapping["external_port"]) == ("active", 8080)


def test_without_a_store_nothing_is_shown(program: Any) -> None:
    """portmapper has never run on such a machine."""
    finished = program.run("status", "--json")
    assert finished.status == 1
    assert json.loads(finished.output)["mappings"] == []


def test_it_waits_for_a_daemon(tmp_path: Path) -> None:
    """The screen says so, and the stored leases are shown until then."""
    document = status._watched(tmp_path)
    assert document["error"] == "waiting for a daemon to start"
    assert document["pid"] is None
    assert document["state_dir"] == str(tmp_path)


def test_an_error_of_the_daemon_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that starts or stops does not end the screen."""

    def fail(_: Path) -> None:
        raise PortmapperError("the daemon does not answer")

    monkeypatch.setattr(status, "read_document", fail)
    assert status._watched(tmp_path)["error"] == "the daemon does not answer"
