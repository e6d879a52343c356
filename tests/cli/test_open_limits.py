"""Ports that open and close by themselves, in a running program."""

from __future__ import annotations

import json
import signal
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any


def mappings(program: Any) -> dict[int, dict[str, Any]]:
    """Return the mappings of the status document by port."""
    document = json.loads(program.run("status", "--json").output)
    return {mapping["wanted_external_port"]: mapping for mapping in document["mappings"]}


def test_a_port_with_a_limit_closes_by_itself(program: Any, gateway: Any, ports: Path) -> None:
    """The daemon forgets it then."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.until(program.listener.exists, "listening")
        done = program.run("open", "9000/tcp", "--for", "3")
        assert (done.status, done.errors) == (0, "")
        assert "\n  until 20" in done.output
        # On a busy host, the port may be closed before the next command has started.
        daemon.until(lambda: 9000 not in gateway.ports(), "closed")
        daemon.until(lambda: 9000 not in mappings(program), "forgotten")
        history = json.loads(program.run("history", "--json").output)
        assert [e["event"] for e in history if e["external_port"] == 9000] == ["opened", "closed"]


def test_a_limit_lasts_across_a_restart(program: Any, gateway: Any, ports: Path) -> None:
    """The end stays where it was."""
    run = ("run", *gateway.options, str(ports))
    with program.running(*run) as daemon:
        daemon.until(program.listener.exists, "listening")
        assert program.run("open", "9000/tcp", "--for", "2h").status == 0
        closes_at = mappings(program)[9000]["closes_at"]
        assert "closes at 20" in program.run("status").output
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
    with program.running(*run) as daemon:
        daemon.until(program.listener.exists, "listening")
        daemon.until(lambda: mappings(program)[9000]["state"] == "active", "open")
        assert mappings(program)[9000]["closes_at"] == closes_at


def test_without_a_daemon_the_lease_lasts_as_long_as_the_limit(program: Any, gateway: Any) -> None:
    """Nothing renews it."""
    done = program.run("open", "9000/tcp", "--for", "90s", "--json", *gateway.options)
    (mapping,) = json.loads(done.output)["mappings"]
    assert mapping["lifetime"] == 90


def test_a_row_waits_for_its_program(program: Any, gateway: Any, tmp_path: Path) -> None:
    """It opens when the program listens, and it does not count as wanted before."""
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        port = server.getsockname()[1]
        path = tmp_path / "waits.csv"
        path.write_text(f"port;protocol;when\n{port};tcp;listening\n")
        with program.running("run", *gateway.options, str(path)) as daemon:
            daemon.until(program.listener.exists, "listening")
            daemon.until(lambda: port in mappings(program), "read")
            assert mappings(program)[port]["state"] == "waiting"
            shown = program.run("status").output
            assert shown.startswith("0 of 0 open, 1 waiting")
            assert f"waits for a program to listen on {port}/tcp" in shown
            server.listen()
            daemon.until(lambda: port in gateway.ports(), "open")


def test_open_answers_that_a_port_waits_for_its_program(program: Any, gateway: Any, ports: Path) -> None:
    """That is a success: the port opens by itself."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.until(program.listener.exists, "listening")
        done = program.run("open", "9/tcp", "--when", "listening")
        assert done.status == 0
        assert done.output == "9/tcp is not open yet: waits for a program to listen on 9/tcp\n"
        assert mappings(program)[9]["state"] == "waiting"
        assert program.run("close", "9/tcp").status == 0
        assert 9 not in mappings(program)


def test_a_row_that_has_ended_stays_closed(program: Any, gateway: Any, tmp_path: Path) -> None:
    """A pass with nothing to open is a success."""
    ended = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="seconds")
    path = tmp_path / "ended.json"
    path.write_text(json.dumps([{"port": 80, "protocol": "tcp", "until": ended}]))
    done = program.run("run", "--oneshot", "--json", *gateway.options, str(path))
    assert done.status == 0
    (mapping,) = json.loads(done.output)["mappings"]
    assert (mapping["state"], gateway.ports()) == ("waiting", set())


def test_an_invalid_time_is_reported_with_its_place(program: Any, tmp_path: Path) -> None:
    """By `check`, with what to write."""
    path = tmp_path / "bad.csv"
    path.write_text("port;protocol;schedule\n80;tcp;weekends\n")
    done = program.run("check", str(path))
    assert "line 2, column schedule: 'weekends' is not a schedule: write days" in done.output + done.errors


def test_wrong_limits_are_usage_errors(program: Any) -> None:
    """Exit status 2."""
    assert program.run("open", "80", "--for", "0").status == 2
    done = program.run("open", "80", "--when", "listening")
    assert (done.status, done.errors) == (
        2,
        "portmapper: --when listening needs a daemon. Start one with 'portmapper run'.\n",
    )


def test_a_pass_requests_no_longer_lease_than_the_row_lasts(
    program: Any, gateway: Any, tmp_path: Path
) -> None:
    """Nothing may run when the row ends."""
    end = (datetime.now(UTC) + timedelta(minutes=10)).isoformat(timespec="seconds")
    path = tmp_path / "ends.json"
    path.write_text(json.dumps([{"port": 80, "protocol": "tcp", "until": end}]))
    done = program.run("run", "--oneshot", "--json", *gateway.options, str(path))
    (mapping,) = json.loads(done.output)["mappings"]
    assert 500 < mapping["lifetime"] <= 600
