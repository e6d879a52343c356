"""Passes, commands and daemons use one state directory in turn."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from portmapper.api.errors import AlreadyRunning
from portmapper.control.listener import ControlListener
from portmapper.daemon import turns
from portmapper.daemon.pidfile import PidFile
from portmapper.daemon.turns import PID_FILE, in_turn, wait_until_started

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses Unix locks")


def test_a_pass_waits_for_another_one(tmp_path: Path) -> None:
    """As long as it takes, within the limit."""
    held = PidFile(tmp_path / PID_FILE)
    with _soon(held.remove):
        in_turn(lambda: PidFile(tmp_path / PID_FILE), tmp_path, 20).remove()


def test_the_wait_is_bounded(tmp_path: Path) -> None:
    """Then the holder is named."""
    with closing(_Held(tmp_path / PID_FILE)), pytest.raises(AlreadyRunning, match=PID_FILE):
        in_turn(lambda: PidFile(tmp_path / PID_FILE), tmp_path, 0.1)


def test_a_daemon_in_the_way_is_reported_at_once(tmp_path: Path) -> None:
    """It does not end by itself."""
    listener = ControlListener(tmp_path, on_loopback=False)
    listener.open()
    held = closing(_Held(tmp_path / PID_FILE))
    with closing(listener), held, pytest.raises(AlreadyRunning, match="as a daemon"):
        in_turn(lambda: PidFile(tmp_path / PID_FILE), tmp_path, 1000)


def test_an_unknown_holder_of_a_named_pid_file_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a daemon with another state directory."""
    monkeypatch.setattr(turns, "FOREIGN_LIMIT", 0.1)
    with closing(_Held(tmp_path / "named")), pytest.raises(AlreadyRunning):
        in_turn(lambda: PidFile(tmp_path / "named"), tmp_path, 1000)


def test_a_command_waits_for_a_daemon_that_starts(tmp_path: Path) -> None:
    """Until it listens."""
    listener = ControlListener(tmp_path, on_loopback=False)
    with closing(_Held(tmp_path / PID_FILE)), closing(listener), _soon(listener.open):
        assert wait_until_started(tmp_path, 20)


def test_a_command_does_not_wait_if_nothing_starts(tmp_path: Path) -> None:
    """Nor for a pass that takes too long."""
    assert not wait_until_started(tmp_path, 1000)
    with closing(_Held(tmp_path / PID_FILE)):
        assert not wait_until_started(tmp_path, 0.1)


@contextmanager
def _soon(call: Callable[[], None]) -> Iterator[None]:
    """Call it in another thread after a moment, and end only after it: what it opens is then closed."""
    timer = threading.Timer(0.1, call)
    timer.start()
    try:
        yield
    finally:
        timer.join()


class _Held(PidFile):
    """A pid file with the name that `closing` calls."""

    def close(self) -> None:
        """Release the lock."""
        self.remove()
