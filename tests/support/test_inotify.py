"""The system calls of inotify."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from portmapper.support import inotify
from portmapper.support.inotify import Inotify

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


def test_events_name_the_file_and_its_watch(tmp_path: Path) -> None:
    """Names are any bytes but a slash, as everywhere in the system."""
    watches = Inotify()
    watch = watches.add_watch(tmp_path, inotify.CREATE | inotify.DELETE)
    name = os.fsdecode(b"caf\xe9.csv")
    (tmp_path / "ports.csv").touch()
    (tmp_path / name).touch()
    (tmp_path / name).unlink()
    found = [(event.watch, event.mask, event.name) for event in watches.read()]
    assert found == [
        (watch, inotify.CREATE, "ports.csv"),
        (watch, inotify.CREATE, name),
        (watch, inotify.DELETE, name),
    ]
    assert watches.read() == []
    watches.close()


def test_the_end_of_a_watch_is_an_event_without_a_name(tmp_path: Path) -> None:
    """Also when the directory is removed."""
    watches = Inotify()
    watch = watches.add_watch(tmp_path, inotify.CREATE)
    watches.remove_watch(watch)
    assert [(event.watch, event.mask, event.name) for event in watches.read()] == [
        (watch, inotify.IGNORED, "")
    ]
    watches.close()


def test_a_failure_is_the_error_of_the_system(tmp_path: Path) -> None:
    """Callers distinguish a missing directory from a limit that is reached."""
    watches = Inotify()
    with pytest.raises(FileNotFoundError):
        watches.add_watch(tmp_path / "missing", inotify.CREATE)
    with pytest.raises(OSError, match="Invalid argument"):
        watches.remove_watch(7)
    watches.close()
    watches.close()
    assert watches.fileno() == -1
