"""`hooks test`, and the report of a missing program in `check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from platforms import posix_only

pytestmark = posix_only("runs scripts of Unix")

HOOKS = """
[[hook]]
name = "client"
on = ["closed", "opened"]
run = ["/bin/sh", "-c", "echo $PORTMAPPER_EVENT $1 > seen", "sh", "{external_port}"]

[[hook]]
name = "broken"
on = "failed"
run = ["/bin/sh", "-c", "echo no access >&2; exit 3"]

[[hook]]
on = "failed"
run = ["/nowhere/at/all"]
"""


@pytest.fixture
def settings(program: Any) -> Path:
    """A settings file with three hooks."""
    file: Path = program.directory / "portmapper.toml"
    file.write_text(HOOKS)
    return file


def test_a_hook_runs_once_with_a_made_up_event(program: Any, settings: Path) -> None:
    """It gets the first kind of event in the order of the documentation."""
    done = program.run("hooks", "test", "client", "--config", str(settings))
    assert (done.status, done.output, done.errors) == (0, "hook client succeeded\n", "")
    assert (program.directory / "seen").read_text() == "opened 8080\n"


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("broken", 1, "portmapper: hook broken failed: exit status 3: no access\n"),
        ("/nowhere/at/all", 1, "portmapper: hook /nowhere/at/all failed: No such file or directory\n"),
        ("clint", 2, "portmapper: no hook is named 'clint', did you mean client?\n"),
        ("x", 2, "portmapper: no hook is named 'x'; known: client, broken, /nowhere/at/all\n"),
    ],
)
def test_a_failure_is_reported_in_one_line(
    program: Any, settings: Path, name: str, status: int, message: str
) -> None:
    """The exit status is 1 for a hook that fails, and 2 for an unknown name."""
    done = program.run("hooks", "test", name, "--config", str(settings))
    assert (done.status, done.errors) == (status, message)


def test_check_names_a_missing_program(program: Any, settings: Path, ports: Path) -> None:
    """It is a warning, because the program may be installed later."""
    words = ("check", str(ports), "--config", str(settings))
    missing = "hook /nowhere/at/all: there is no program /nowhere/at/all"
    done = program.run(*words)
    assert (done.status, done.output.splitlines()[-1]) == (0, f"warning: {missing}")
    assert json.loads(program.run(*words, "--json").output)["hooks"] == [missing]


def test_doctor_names_a_missing_program(program: Any, settings: Path, gateway: Any) -> None:
    """The finding has its own code."""
    words = ("doctor", "--no-probe", "--json", "--config", str(settings), "--state-dir", str(program.state))
    findings = json.loads(program.run(*words, *gateway.options).output)["findings"]
    (found,) = [finding for finding in findings if finding["code"] == "hook-program-missing"]
    assert found["severity"] == "warning"
