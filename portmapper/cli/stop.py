"""`portmapper stop`: stop the daemon in order, and return when it has ended."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from portmapper.api.command import Command
from portmapper.api.errors import PortmapperError
from portmapper.cli.options import add_config_option, add_state_option
from portmapper.cli.targets import directory_of
from portmapper.support.safe_open import read_limited

LIMIT = 30.0
"""Seconds to wait for the daemon: with `--close-ports-on-exit`, it closes its ports first."""

POLL_INTERVAL = 0.05


class Stop(Command):
    """The command `stop`."""

    name = "stop"
    help = "stop the daemon; its ports stay open until their leases end"
    examples = ("portmapper stop",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `stop`."""
        add_config_option(parser)
        add_state_option(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Stop the daemon of the state directory and wait for its end; without a daemon, return 1."""
        from portmapper.cli.progress import progress
        from portmapper.control.client import call_daemon

        directory = directory_of(arguments)
        pid = call_daemon(directory, "status")["pid"]
        call_daemon(directory, "stop", "POST")
        with progress("waiting for the daemon to stop"):
            _wait_for_end(directory, pid)
        print(f"stopped the daemon (pid {pid})")
        return 0


def _wait_for_end(directory: Path, pid: int) -> None:
    """Wait until the process has removed its pid file, which is the last thing that it does."""
    deadline = time.monotonic() + LIMIT
    while _answers(directory) or (_pid_in(directory / "portmapper.pid") == pid and _is_alive(pid)):
        if time.monotonic() > deadline:
            raise PortmapperError(f"the daemon (pid {pid}) is still running after {LIMIT:.0f} s")
        time.sleep(POLL_INTERVAL)


def _answers(directory: Path) -> bool:
    from portmapper.control.client import NotRunning, call_daemon

    try:
        call_daemon(directory, "status")
    except NotRunning:
        return False
    except PortmapperError:  # it closed the connection while it stops
        return True
    return True


def _pid_in(path: Path) -> int | None:
    try:
        return int(read_limited(path, 64))
    except (OSError, ValueError):
        return None


def _is_alive(pid: int) -> bool:
    """Return whether the process exists, if this system can tell."""
    if sys.platform == "win32":  # os.kill would send it Ctrl-C
        import psutil

        return bool(psutil.pid_exists(pid))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
