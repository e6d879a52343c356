"""`portmapper status` and `portmapper history`, with a daemon and without one."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any


def test_status_tells_what_the_daemon_keeps_open(program: Any, gateway: Any, ports: Path) -> None:
    """The contract's document; exit status 0 whatever the mappings' states."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.logs("opened TCP")
        daemon.until((program.state / "control.sock").exists, "listening")
        told = program.run("status", "--json")
        assert (told.status, told.errors) == (0, "")
        document = json.loads(told.output)
        assert document["pid"] == daemon.process.pid
        (mapping,) = document["mappings"]
        assert (mapping["state"], mapping["external_port"], mapping["backend"]) == ("active", 8080, "pcp")
        assert [source["state"] for source in document["sources"]] == ["ok"]
        assert "active" in program.run("status").output
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0


def test_status_of_an_unreachable_gateway_is_no_error(program: Any, silence: Any, ports: Path) -> None:
    """The question was answered: nothing is open."""
    with program.running("run", *silence, str(ports)) as daemon:
        daemon.until((program.state / "control.sock").exists, "listening")
        told = program.run("status", "--json")
        assert told.status == 0
        assert [mapping["state"] for mapping in json.loads(told.output)["mappings"]] == ["pending"]


def test_status_says_that_the_store_cannot_be_written(program: Any, gateway: Any, ports: Path) -> None:
    """In both forms, and in one line of the log; the ports are open."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.logs("opened TCP")
        daemon.until((program.state / "control.sock").exists, "listening")
        for file in program.state.glob("leases.sqlite3*"):
            file.unlink()
        (program.state / "leases.sqlite3").write_bytes(b"no such thing" * 100)
        ports.write_text(ports.read_text() + "8090;TCP\n")
        daemon.logs("cannot write the lease store")
        document = json.loads(program.run("status", "--json").output)
        assert "not a database" in document["error"]
        assert document["mappings"][0]["state"] == "active"
        assert "not a database" in " ".join(program.run("status").output.split())


def test_without_a_daemon_status_tells_what_the_store_knows(program: Any, gateway: Any, ports: Path) -> None:
    """It says that nothing runs, and exits 1."""
    assert program.run("run", "--oneshot", *gateway.options, str(ports)).status == 0
    told = program.run("status", "--json")
    assert told.status == 1
    assert "no daemon runs" in told.errors
    (mapping,) = json.loads(told.output)["mappings"]
    assert (mapping["state"], mapping["external_port"]) == ("active", 8080)


def test_without_a_store_status_is_empty(program: Any) -> None:
    """A machine on which it never ran."""
    told = program.run("status", "--json")
    assert told.status == 1
    assert json.loads(told.output)["mappings"] == []


def test_history_tells_what_was_opened_and_closed(program: Any, gateway: Any, ports: Path) -> None:
    """One item for each event, the oldest first; a renewal is none."""
    for options in (("--oneshot",), ("--oneshot",), ("--oneshot", "--close-ports-on-exit")):
        assert program.run("run", *options, *gateway.options, str(ports)).status == 0
    told = program.run("history", "--json")
    assert told.status == 0
    events = json.loads(told.output)
    assert [event["event"] for event in events] == ["opened", "closed"]
    opened = {name: events[0][name] for name in ("protocol", "external_port", "internal_port", "backend")}
    assert opened == {"protocol": "TCP", "external_port": 8080, "internal_port": 8080, "backend": "pcp"}
    assert "opened TCP 8080" in program.run("history").output


def test_history_without_a_store_is_one_clear_line(program: Any) -> None:
    """There is nothing to read."""
    told = program.run("history")
    assert (told.status, told.output) == (1, "")
    assert told.errors.startswith("portmapper: there is no journal")
    assert told.errors.count("\n") == 1
