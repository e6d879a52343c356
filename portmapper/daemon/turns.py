"""Waits for one's turn: a pass, a command and a start of the daemon use one state directory in turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from portmapper.api.errors import AlreadyRunning
from portmapper.daemon.pidfile import holder_of

T = TypeVar("T")

PID_FILE = "portmapper.pid"

PASS_LIMIT = 60.0
"""Seconds that a single pass waits for another one, such as the second of two cron jobs in one minute."""

COMMAND_LIMIT = 15.0
"""Seconds that a daemon waits for `open` or `close` at its start, and a command for another one."""

FOREIGN_LIMIT = 3.0
"""Seconds to wait for a pid file outside of the state directory, whose holder is unknown."""

POLL_INTERVAL = 0.05


def in_turn(lock: Callable[[], T], directory: Path, limit: float) -> T:
    """Lock pid files with `lock`, and wait while another pass or command holds them.

    Raises:
        AlreadyRunning: a daemon holds them, or the other process does not end within `limit` seconds.
    """
    started = time.monotonic()
    while True:
        try:
            return lock()
        except AlreadyRunning as error:
            if _daemon_answers(directory):
                raise AlreadyRunning(f"{error} as a daemon") from error
            known = holder_of(directory / PID_FILE) is not None
            if time.monotonic() - started >= (limit if known else min(limit, FOREIGN_LIMIT)):
                raise
            time.sleep(POLL_INTERVAL)


def _daemon_answers(directory: Path) -> bool:
    from portmapper.control.client import is_running  # a pass that is alone does not ask

    return is_running(directory)


def wait_until_started(directory: Path, limit: float) -> bool:
    """Wait while a process starts in a state directory; return whether a daemon answers there now."""
    deadline = time.monotonic() + limit
    while not _daemon_answers(directory):
        if holder_of(directory / PID_FILE) is None or time.monotonic() >= deadline:
            return False
        time.sleep(POLL_INTERVAL)
    return True
