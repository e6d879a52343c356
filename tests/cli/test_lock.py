"""One instance holds the pid file for as long as it lives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portmapper.api.errors import AlreadyRunning, StoreError
from portmapper.daemon.pidfile import PidFile


def test_a_held_file_names_its_holder(tmp_path: Path) -> None:
    """By the pid that it wrote."""
    held = PidFile(tmp_path / "pid")
    held.write()
    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()} holds"):
        PidFile(tmp_path / "pid")
    held.remove()


def test_a_holder_that_wrote_nothing_yet_is_another_process(tmp_path: Path) -> None:
    """What a crash left in the file does not name somebody who is long gone."""
    (tmp_path / "pid").write_text("1\n")
    held = PidFile(tmp_path / "pid")
    with pytest.raises(AlreadyRunning, match="another process holds"):
        PidFile(tmp_path / "pid")
    held.remove()


def test_removing_frees_it_once(tmp_path: Path) -> None:
    """The next one gets it, and a second removal takes nothing from it."""
    first = PidFile(tmp_path / "pid")
    first.remove()
    second = PidFile(tmp_path / "pid")
    second.write()
    first.remove()
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"
    second.remove()
    assert not (tmp_path / "pid").exists()


def test_a_file_removed_while_it_was_being_locked_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a file that nobody finds any more would keep nobody out."""
    path = tmp_path / "pid"
    removed: list[bool] = []

    def lock(file: int) -> None:
        if not removed:
            path.unlink()
            removed.append(True)

    monkeypatch.setattr("portmapper.daemon.pidfile._lock", lock)
    held = PidFile(path)
    held.write()
    assert path.read_text() == f"{os.getpid()}\n"
    held.remove()


def test_a_place_where_none_can_be(tmp_path: Path) -> None:
    """One line that names it."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot create the pid file"):
        PidFile(tmp_path / "file" / "pid")
