"""`portmapper history` shows the journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

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
    assert "opened TCP 8080" in program.run("history").output


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
