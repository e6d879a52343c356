"""Values of options that several commands share, and of `run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portmapper.cli import options, run_options

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


@pytest.mark.parametrize(("text", "seconds"), [("5", 5), ("1.5", 1.5), ("15m", 900), ("1h", 3600)])
def test_an_interval_may_have_a_unit(text: str, seconds: float) -> None:
    """A number alone is in seconds."""
    assert run_options._seconds(text) == seconds


@pytest.mark.parametrize(("flag", "level"), [("-v", "info"), ("-q", "error"), ("--log-level=info", "info")])
def test_verbose_and_quiet_set_the_level(flag: str, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They override the environment; at a terminal command, -v does not mean debug."""
    import argparse
    import logging

    monkeypatch.setenv("PORTMAPPER_LOG", "warning")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    parser = argparse.ArgumentParser()
    options.add_log_options(parser)
    options.configure_logging(parser.parse_args([flag]), "warning")
    assert logging.getLogger().level == getattr(logging, level.upper())


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
