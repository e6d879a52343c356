"""Files that another program holds open."""

from __future__ import annotations

from pathlib import Path

import pytest

from portmapper.support import busy_files


def test_an_operation_is_repeated_until_the_other_program_closes_the_file() -> None:
    """On Windows, a reader prevents replacing and removing."""
    attempts: list[int] = []

    def operation() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise PermissionError

    busy_files._repeat(operation, patience=60)
    assert len(attempts) == 3


def test_without_patience_the_error_is_raised_at_once() -> None:
    """Elsewhere than on Windows, waiting would not help."""

    def operation() -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        busy_files._repeat(operation, patience=0)


def test_files_are_replaced_and_removed(tmp_path: Path) -> None:
    """The target may exist."""
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_text("new")
    old.write_text("old")
    busy_files.replace(new, old)
    assert old.read_text() == "new"
    busy_files.remove(old)
    assert not old.exists()
