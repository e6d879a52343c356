"""`portmapper reload`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest


def test_the_new_list_is_in_effect_when_the_command_returns(program: Any, gateway: Any, ports: Path) -> None:
    """A rejected row is reported, and the exit status is 1."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.until(program.listener.exists, "listening")
        finished = program.run("reload")
        assert (finished.status, finished.errors) == (0, "")
        assert finished.output == "reloaded: 1 mapping from 1 source\n"
        ports.write_text(ports.read_text() + "99999;TCP\n")
        finished = program.run("reload")
        assert finished.status == 1
        assert f"portmapper: {ports}, line 3, column port" in finished.errors


def test_invalid_settings_are_reported(program: Any, gateway: Any, ports: Path, config: Path) -> None:
    """The old settings stay in effect, and the exit status is 1."""
    config.write_text(f'sources = ["{ports}"]\n')
    with program.running("run", *gateway.options, "--config", str(config)) as daemon:
        daemon.until(program.listener.exists, "listening")
        config.write_text("intervall = 5\n")
        finished = program.run("reload")
        assert (finished.status, finished.output) == (1, "")
        assert "intervall" in finished.errors
        assert "the old settings stay in effect" in finished.errors


def test_without_a_daemon_the_status_is_1(program: Any) -> None:
    """The message names the state directory."""
    finished = program.run("reload")
    assert finished.status == 1
    assert "no daemon runs" in finished.errors


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot detach there")
def test_a_daemon_in_the_background_finds_relative_settings_again(
    program: Any, gateway: Any, ports: Path, config: Path
) -> None:
    """It changes its directory, so that it keeps no file system busy."""
    config.write_text(f'sources = ["{ports}"]\n')
    assert program.run("run", "--daemon", *gateway.options, "--config", config.name).status == 0
    try:
        config.write_text(f'sources = ["{ports}"]\ninterval = 90\n')
        finished = program.run("reload")
        assert (finished.output, finished.errors) == ("reloaded: 1 mapping from 1 source\n", "")
    finally:
        assert program.run("stop").status == 0
