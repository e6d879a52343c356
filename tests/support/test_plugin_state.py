"""What plugins keep across restarts."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from portmapper.support.plugin_state import MAX_SIZE, PluginState


def state_in(directory: Path | None) -> PluginState:
    """Return the files in a directory."""
    state = PluginState()
    state.directory = directory
    return state


def test_what_is_written_is_read_after_a_restart(tmp_path: Path) -> None:
    """Each plugin has its own file, in a directory that is created."""
    state_in(tmp_path / "state").write("pia", {"port": 1})
    assert state_in(tmp_path / "state").read("pia") == {"port": 1}
    assert state_in(tmp_path / "state").read("notify") is None


@pytest.mark.skipif(os.name != "posix", reason="modes of files are those of POSIX")
def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    """It may contain a secret."""
    state_in(tmp_path).write("pia", [])
    assert stat.S_IMODE((tmp_path / "plugin-pia.json").stat().st_mode) == 0o600


def test_without_a_state_directory_nothing_is_kept() -> None:
    """A program that uses the Python API has none."""
    state = state_in(None)
    state.write("pia", [1])
    assert state.read("pia") is None


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1", b"[" * 100_000, b"[" + b" " * MAX_SIZE + b"]"])
def test_a_damaged_file_is_an_error(content: bytes, tmp_path: Path) -> None:
    """Plugins start with nothing then."""
    (tmp_path / "plugin-pia.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        state_in(tmp_path).read("pia")


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A directory, for example."""
    (tmp_path / "plugin-pia.json").mkdir()
    with pytest.raises(OSError, match=r"."):
        state_in(tmp_path).read("pia")
