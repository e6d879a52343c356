"""Checks before `run --daemon` detaches, and the run in the background."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from platforms import posix_only

from portmapper.api.errors import SourceError, StoreError, UsageError
from portmapper.cli import daemonize
from portmapper.pluginhost.manager import load_plugins
from portmapper.sources.open_source import open_source


@pytest.fixture
def reader(ports: Path) -> Any:
    """A reader of the list."""
    plugins = load_plugins()
    return open_source(str(ports), plugins.sources, plugins.formats)


def arguments(*gateways: str) -> argparse.Namespace:
    """Return arguments with these gateways."""
    return argparse.Namespace(gateway=list(gateways), log_level=None, log_format=None, log_file=None)


@posix_only("needs fork")
def test_an_unreadable_list_is_reported_before_detaching(ports: Path, reader: Any, tmp_path: Path) -> None:
    """So is an invalid list."""
    ports.write_text("nonsense\n")
    with pytest.raises(SourceError):
        daemonize.check_before_detaching(arguments(), [reader], tmp_path)


def test_an_invalid_gateway_is_reported_before_detaching(tmp_path: Path) -> None:
    """No packet is sent to it."""
    with pytest.raises(UsageError):
        daemonize.check_before_detaching(arguments("nowhere"), [], tmp_path)


@posix_only("needs fork")
def test_an_unusable_store_is_reported_before_detaching(tmp_path: Path) -> None:
    """The daemon could not start: the state directory cannot be created below a file."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        daemonize.check_before_detaching(arguments(), [], tmp_path / "file" / "state")


class FakePidFiles:
    """Records that the launching process has released the files."""

    def __init__(self) -> None:
        self.released = False

    def write(self) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Record the call."""
        self.released = True


@pytest.mark.parametrize("in_background", [False, True])
def test_only_the_background_process_serves(in_background: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launching process returns 0 and releases the pid files, which stay locked in the background."""
    pid_files: Any = FakePidFiles()
    monkeypatch.setattr("portmapper.daemon.daemonize.detach", lambda write: in_background)
    assert daemonize.run_detached(arguments(), pid_files, pid_files.write, lambda: 7) == (
        7 if in_background else 0
    )
    assert pid_files.released is not in_background


@pytest.mark.parametrize(
    ("error", "traceback"), [(StoreError("the disk is full"), False), (ZeroDivisionError("a bug"), True)]
)
def test_an_error_in_the_background_is_logged(
    error: Exception,
    traceback: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A traceback is logged only for unexpected exceptions."""

    def serve() -> int:
        raise error

    def detach(write: Callable[[], None]) -> bool:
        return True

    monkeypatch.setattr("portmapper.daemon.daemonize.detach", detach)
    monkeypatch.setattr(daemonize, "configure_logging", lambda *_, **__: None)
    with pytest.raises(type(error)):
        daemonize.run_detached(arguments(), FakePidFiles(), lambda: None, serve)  # type: ignore[arg-type]
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.CRITICAL, str(error))
    assert bool(record.exc_info) is traceback


def test_a_system_without_fork_names_the_scheduled_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows, a process cannot detach from its console."""
    monkeypatch.delattr("os.fork", raising=False)
    with pytest.raises(UsageError, match="service print windows"):
        daemonize.refuse_without_fork()
