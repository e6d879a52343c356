"""Access lists of private files on Windows."""

from __future__ import annotations

from pathlib import Path

from platforms import posix_only

from portmapper.support.owner_only import access_list, restrict_to_owner


def test_the_owner_the_system_and_administrators_have_access() -> None:
    """The list is protected, so the directory's rights are not inherited."""
    assert access_list("S-1-5-21-1") == "D:P(A;;FA;;;S-1-5-21-1)(A;;FA;;;SY)(A;;FA;;;BA)"


@posix_only("checks Unix modes of files")
def test_elsewhere_the_mode_stays_as_it_is(tmp_path: Path) -> None:
    """The file was created with the right mode."""
    file = tmp_path / "token"
    file.touch(0o600)
    restrict_to_owner(file)
    assert file.stat().st_mode & 0o777 == 0o600
