"""Values of options that several commands share, and of `run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

LIST = "port;protocol\n8080;TCP\n"


@pytest.mark.parametrize("delimiter", ["", ";;", "ab", '"', "\n"])
def test_a_delimiter_is_one_character(program: Any, ports: Path, delimiter: str) -> None:
    """Anything else is a usage error."""
    finished = program.run("-1", "-f", str(ports), "-d", delimiter)
    assert finished.status == 2
    assert finished.output == ""
    assert "delimiter" in finished.errors
    assert "Traceback" not in finished.errors


@pytest.mark.parametrize(("typed", "written"), [("\\t", "\t"), ("\t", "\t"), (",", ","), ("|", "|")])
def test_other_delimiters(program: Any, ports: Path, typed: str, written: str) -> None:
    """A tab can also be written as a backslash and `t`."""
    ports.write_text(LIST.replace(";", written))
    finished = program.run("check", "--json", "-d", typed, str(ports))
    assert finished.status == 0, finished.errors
    assert [mapping["port"] for mapping in json.loads(finished.output)["mappings"]] == [8080]


def test_a_relative_pid_file_is_a_usage_error(program: Any, ports: Path) -> None:
    """A daemon changes its working directory."""
    finished = program.run("-1", "-f", str(ports), "--pid-file", "portmapper.pid")
    assert finished.status == 2
    assert "absolute" in finished.errors


@pytest.mark.parametrize("interval", ["0", "-5", "soon", "nan", "inf"])
def test_an_interval_is_a_number_of_seconds(program: Any, ports: Path, interval: str) -> None:
    """It is at least 1."""
    finished = program.run("-1", "-f", str(ports), f"--interval={interval}")
    assert finished.status == 2
    assert "--interval" in finished.errors


def test_an_unknown_log_level_in_the_environment_is_a_usage_error(program: Any, ports: Path) -> None:
    """The message names it."""
    program.environment["PORTMAPPER_LOG"] = "loud"
    finished = program.run("-1", "-f", str(ports))
    assert finished.status == 2
    assert "PORTMAPPER_LOG=loud" in finished.errors
