"""Files that only their owner can read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from platforms import posix_only

from portmapper.api.errors import PortmapperError
from portmapper.http.private_file import PrivateFile


def test_a_file_that_root_writes_belongs_to_the_owner_of_the_directory(tmp_path: Path) -> None:
    """The daemon of a service runs as another user, and reads it."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    os.chown(tmp_path, 65534, 65534)
    PrivateFile(tmp_path / "file").write([1])
    found = (tmp_path / "file").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (65534, 65534, 0o600)


@posix_only("uses links")
def test_a_file_replaces_a_leftover_and_a_link(tmp_path: Path) -> None:
    """It never writes through a link of another user."""
    target = tmp_path / "target"
    target.write_text("kept")
    (tmp_path / "file.new").symlink_to(target)
    PrivateFile(tmp_path / "file").write([1])
    assert target.read_text() == "kept"
    assert PrivateFile(tmp_path / "file").read() == [1]


def test_a_removed_file_is_empty(tmp_path: Path) -> None:
    """All tokens are revoked then."""
    file = PrivateFile(tmp_path / "file")
    file.write([1])
    assert file.read() == [1]
    (tmp_path / "file").unlink()
    assert file.read() == []


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    """A directory, for example."""
    (tmp_path / "file").mkdir()
    with pytest.raises(PortmapperError, match="cannot read"):
        PrivateFile(tmp_path / "file").read()
