"""Omitted options get their values from the settings file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from settings_text import for_gateway, mapping


def test_the_settings_file_replaces_all_options(program: Any, gateway: Any, config: Path) -> None:
    """Gateway, backend and mappings come from the file."""
    config.write_text(for_gateway(gateway, "interval = 5") + mapping(8080))
    done = program.run("run", "--config", str(config), "--oneshot", "--json")
    assert done.status == 0, done.errors
    document = json.loads(done.output)
    assert [(m["external_port"], m["source"]) for m in document["mappings"]] == [(8080, str(config))]
    assert gateway.ports() == {8080}


def test_the_users_file_is_the_default(program: Any, gateway: Any, tmp_path: Path) -> None:
    """It is in the configuration directory, and relative sources are relative to it."""
    home = Path(program.environment["XDG_CONFIG_HOME"]) / "portmapper"
    home.mkdir(parents=True)
    (home / "portmapper.toml").write_text(for_gateway(gateway, 'sources = ["mine.csv"]\nformat = "csv"'))
    (home / "mine.csv").write_text("port;protocol\n8081;TCP\n")
    done = program.run("run", "--oneshot")
    assert done.status == 0, done.errors
    assert gateway.ports() == {8081}


def test_the_command_line_overrides_the_file(program: Any, gateway: Any, config: Path, ports: Path) -> None:
    """Options override settings, and sources replace all sources and mappings of the file."""
    config.write_text('gateway = ["127.0.0.1:9"]\nformat = "json"\n' + mapping(9090))
    options = ("--config", str(config), "--format", "csv", *gateway.options)
    done = program.run("run", str(ports), *options, "--oneshot")
    assert done.status == 0, done.errors
    assert gateway.ports() == {8080}


@pytest.mark.parametrize("command", ["run", "check", "discover", "list", "status", "history"])
def test_an_unknown_key_ends_each_command_with_2(program: Any, config: Path, command: str) -> None:
    """One line names file, line and the nearest key, and standard output is empty."""
    config.write_text("\nintervall = 5\n")
    done = program.run(command, "--config", str(config))
    assert (done.status, done.output) == (2, "")
    assert done.errors == f"portmapper: {config}:2: intervall: unknown key, did you mean interval?\n"


def test_an_unknown_backend_is_an_error(program: Any, config: Path) -> None:
    """Like every invalid value, it is reported with its line."""
    config.write_text('[backend]\norder = ["pcpp"]\n')
    done = program.run("discover", "--config", str(config))
    assert done.status == 2
    assert f"{config}:2: backend.order[0]: no backend named 'pcpp', did you mean pcp?" in done.errors


def test_the_family_of_the_file_applies_to_rows_without_one(program: Any, config: Path) -> None:
    """The option `--family` overrides it."""
    config.write_text('family = "both"\n' + mapping(8080))
    document = json.loads(program.run("check", "--config", str(config), "--json").output)
    assert [m["family"] for m in document["mappings"]] == ["ipv4", "ipv6"]
    document = json.loads(program.run("check", "--config", str(config), "--json", "--family", "ipv6").output)
    assert [m["family"] for m in document["mappings"]] == ["ipv6"]
