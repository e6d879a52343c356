"""`portmapper history` shows the journal."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from portmapper.cli import history
from portmapper.cli.main import main


def test_opened_and_closed_mappings_are_shown(program: Any, gateway: Any, ports: Path) -> None:
    """Each event is one item, the oldest first; renewals are not events."""
    for options in (("--oneshot",), ("--oneshot",), ("--oneshot", "--close-ports-on-exit")):
        assert program.run("run", *options, *gateway.options, str(ports)).status == 0
    finished = program.run("history", "--json")
    assert finished.status == 0
    events = json.loads(finished.output)
    assert [event["event"] for event in events] == ["opened", "closed"]
    opened = {name: events[0][name] for name in ("protocol", "external_port", "internal_port", "backend")}
    assert opened == {"protocol": "TCP", "external_port": 8080, "internal_port": 8080, "backend": "pcp"}
    first = program.run("history").output.splitlines()[0]
    date, time, rest = first.split(" ", 2)
    assert datetime.fromisoformat(f"{date} {time}").tzinfo is not None
    assert rest.startswith("opened 8080/tcp → 127.0.0.1:8080 over PCP on 127.0.0.1")


def test_single_commands_are_in_the_history(program: Any, gateway: Any, ports: Path) -> None:
    """`open`, `close` and `--only-close-ports` record what they do without a daemon, too."""
    assert program.run("open", "8081", *gateway.options).status == 0
    assert program.run("close", "8081", *gateway.options).status == 0
    assert program.run("run", "--oneshot", *gateway.options, str(ports)).status == 0
    assert program.run("run", "--only-close-ports", *gateway.options, str(ports)).status == 0
    events = json.loads(program.run("history", "--json").output)
    assert [(event["event"], event["external_port"]) for event in events] == [
        ("opened", 8081),
        ("closed", 8081),
        ("opened", 8080),
        ("closed", 8080),
    ]


def test_a_line_that_is_wider_than_the_terminal_breaks_no_address(capsys: pytest.CaptureFixture[str]) -> None:
    """It continues on an indented line."""
    event = {
        "at": "2026-11-28T10:00:00+00:00",
        "event": "opened",
        "protocol": "TCP",
        "external_port": 8080,
        "internal_address": "192.168.88.10",
        "internal_port": 8080,
        "backend": "pcp",
        "gateway": "192.168.88.1",
        "detail": "",
    }
    history._show([event], 80)
    first, second = capsys.readouterr().out.splitlines()
    assert len(first) <= 80
    assert first.endswith(" on")
    assert second == "  192.168.88.1"


def test_a_refused_row_names_its_port_and_host() -> None:
    """It has no external port, and perhaps no backend."""
    event = {
        "at": "2026-11-28T10:00:00+00:00",
        "event": "failed",
        "protocol": "TCP",
        "external_port": None,
        "internal_address": "192.168.88.10",
        "internal_port": 80,
        "backend": None,
        "gateway": None,
        "detail": "denied",
    }
    assert history._line(event).endswith("failed 80/tcp → 192.168.88.10:80: denied")


def test_a_missing_store_is_an_error(program: Any) -> None:
    """One line on standard error explains it."""
    finished = program.run("history")
    assert (finished.status, finished.output) == (1, "")
    assert finished.errors.startswith("portmapper: there is no journal")
    assert finished.errors.count("\n") == 1


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1000001", "\u0661"])
def test_an_invalid_limit_is_a_usage_error(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The limit is a number from 1 to 1000000 in ASCII digits."""
    with pytest.raises(SystemExit) as end:
        main(["history", f"--limit={limit}"])
    assert end.value.code == 2
    assert "is not a number from 1 to 1000000" in capsys.readouterr().err
