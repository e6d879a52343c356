"""A daemon on a terminal continues when its user stops the output or closes the window."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_program import PROGRAM, TIMEOUT

if sys.platform == "win32":
    pytest.skip("terminals of Unix", allow_module_level=True)

import pty
import termios


@pytest.fixture
def ends() -> Iterator[list[int]]:
    """The reading and the writing end of a terminal."""
    both = list(pty.openpty())
    yield both
    for descriptor in both:
        os.close(descriptor)


def test_ctrl_s_stops_only_the_output(
    program: Any, gateway: Any, ports: Path, wait: Any, ends: list[int]
) -> None:
    """An edit takes effect meanwhile, and the daemon ends when it is asked to."""
    terminal = ends[1]
    command = [*PROGRAM, "run", "-n", "1", *gateway.options, str(ports)]
    environment = {**program.environment, "TERM": "xterm"}
    streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    with subprocess.Popen(command, env=environment, **streams) as daemon:
        wait(lambda: gateway.ports() == {8080}, "opened")
        termios.tcflow(terminal, termios.TCOOFF)
        ports.write_text("port;protocol\n8080;TCP\n8090;TCP\n")
        wait(lambda: gateway.ports() == {8080, 8090}, "opened the new port")
        daemon.terminate()
        assert daemon.wait(TIMEOUT) == 0


def test_a_closed_window_does_not_keep_the_daemon_from_ending(
    program: Any, gateway: Any, ports: Path, wait: Any, ends: list[int]
) -> None:
    """No one sees its screen."""
    command = [*PROGRAM, "run", "-n", "1", *gateway.options, str(ports)]
    environment = {**program.environment, "TERM": "xterm"}
    streams = {"stdin": ends[1], "stdout": ends[1], "stderr": ends[1]}
    with subprocess.Popen(command, env=environment, **streams) as daemon:
        wait(lambda: gateway.ports() == {8080}, "opened")
        for descriptor in ends:
            os.close(descriptor)
        ends.clear()
        daemon.terminate()
        assert daemon.wait(TIMEOUT) == 0
