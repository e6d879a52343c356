"""The event loop starts as soon as the system has what it needs."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from portmapper.api import PortmapperError
from portmapper.daemon import event_loop


@pytest.mark.parametrize("failing", range(6))
def test_a_loop_whose_creation_fails_at_any_step_is_created_again(
    failing: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line is logged, and no traceback of a loop that is not complete."""
    calls, create = iter(range(99)), socket.socketpair

    def socketpair(*arguments: Any, **named: Any) -> Any:
        if next(calls) == failing:
            raise OSError(errno.EMFILE, "Too many open files")
        return create(*arguments, **named)

    async def main() -> int:
        return 7

    monkeypatch.setattr(event_loop, "RETRY_DELAY", 0.0)
    monkeypatch.setattr(socket, "socketpair", socketpair)
    assert event_loop.run_event_loop(main) == 7
    assert capsys.readouterr().err == ""


def test_a_signal_ends_the_wait_for_descriptors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a traceback of a loop that is not complete, and `main` never begins."""

    def socketpair(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    async def main() -> int:
        raise AssertionError("there is no loop to run it")

    monkeypatch.setattr(socket, "socketpair", socketpair)
    monkeypatch.setattr(event_loop, "_must_stop", lambda: True)
    with pytest.raises(KeyboardInterrupt):
        event_loop.run_event_loop(main)
    assert capsys.readouterr().err == ""


def test_one_pass_gives_up_with_a_reason_if_there_are_no_descriptors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A command that cron starts must end."""

    def socketpair(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    async def main() -> int:
        raise AssertionError("there is no loop to run it")

    monkeypatch.setattr(event_loop, "RETRY_DELAY", 0.0)
    monkeypatch.setattr(socket, "socketpair", socketpair)
    with pytest.raises(PortmapperError, match=r"cannot start the event loop: .*open files"):
        event_loop.run_event_loop(main, attempts=3)
