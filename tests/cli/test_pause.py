"""`portmapper pause` and `resume`, with a daemon and without one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def ports(tmp_path: Path) -> Path:
    """A list of two ports."""
    path = tmp_path / "two.csv"
    path.write_text("port;protocol\n8080;TCP\n27015;UDP\n")
    return path


def states(program: Any) -> dict[int, str]:
    """Return the state of each port in the status document."""
    mappings = json.loads(program.run("status", "--json").output)["mappings"]
    return {mapping["wanted_external_port"]: mapping["state"] for mapping in mappings}


def test_the_daemon_pauses_a_row_and_resumes_it(program: Any, gateway: Any, ports: Path) -> None:
    """`status` counts only the other rows."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.until(lambda: gateway.ports() == {8080, 27015}, "open")
        done = program.run("pause", "8080")
        assert (done.status, done.output) == (0, "8080/tcp is paused\n")
        assert gateway.ports() == {27015}
        assert states(program) == {8080: "paused", 27015: "active"}
        shown = program.run("status").output
        assert shown.startswith("1 of 1 open, 1 paused · ")
        assert "Run 'portmapper resume 8080/tcp' to open it." in " ".join(shown.split())
        assert program.run("resume", "8080/tcp").output == "8080/tcp is resumed\n"
        assert gateway.ports() == {8080, 27015}


def test_a_port_that_no_list_has_is_an_error(program: Any, gateway: Any, ports: Path) -> None:
    """Exit status 1."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.until(lambda: gateway.ports() == {8080, 27015}, "open")
        done = program.run("pause", "9000")
        assert (done.status, done.output) == (1, "")
        assert done.errors == "portmapper: 9000/tcp: no list has it. 'portmapper status' shows the ports.\n"


def test_without_a_daemon_the_next_run_closes_a_paused_row(program: Any, gateway: Any, ports: Path) -> None:
    """And the next one after `resume` opens it."""
    run = ("run", "--oneshot", *gateway.options, str(ports))
    assert program.run(*run).status == 0
    done = program.run("pause", "8080/tcp")
    assert done.output == "8080/tcp is paused. No daemon runs: the next 'portmapper run' closes it.\n"
    assert program.run("history").output.endswith(" paused 8080/tcp\n")
    assert program.run(*run).status == 0
    assert gateway.ports() == {27015}
    assert states(program) == {8080: "paused", 27015: "active"}
    done = program.run("resume", "8080/tcp", "81/tcp")
    assert done.output.splitlines() == [
        "8080/tcp is resumed. No daemon runs: the next 'portmapper run' opens it.",
        "81/tcp was not paused",
    ]
    assert program.run(*run).status == 0
    assert gateway.ports() == {8080, 27015}


@pytest.mark.parametrize("words", [("pause",), ("pause", "any/tcp"), ("resume", "0")])
def test_a_wrong_port_is_a_usage_error(program: Any, words: tuple[str, ...]) -> None:
    """Exit status 2."""
    assert program.run(*words).status == 2
