"""The log file: safe to open, and never a reason to stop."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from platforms import posix_only

from portmapper.observability.log_file import LogFileHandler
from portmapper.observability.logs import start_logging
from portmapper.support.safe_open import UnsafeFile

pytestmark = posix_only("uses Unix modes and links")

LOG = logging.getLogger("portmapper")


def test_a_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    """Opening it would wait for a reader."""
    os.mkfifo(tmp_path / "log")
    with pytest.raises(UnsafeFile, match="not a regular file"):
        LogFileHandler(tmp_path / "log")


def test_a_link_is_refused(tmp_path: Path) -> None:
    """Its target keeps its content."""
    (tmp_path / "target").write_text("keep")
    (tmp_path / "log").symlink_to("target")
    with pytest.raises(UnsafeFile, match="link"):
        LogFileHandler(tmp_path / "log")
    assert (tmp_path / "target").read_text() == "keep"


def test_the_null_device_takes_the_log() -> None:
    """It is the usual way to have no log."""
    start_logging(LogFileHandler(Path("/dev/null")), logging.INFO, "text")
    LOG.info("opened")


def put(kind: str, path: Path) -> None:
    """Create something that is no file."""
    if kind == "directory":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("kind", ["directory", "FIFO", "link"])
def test_a_file_that_turns_into_something_else_costs_only_records(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As soon as it is gone, a new file is created."""
    path = tmp_path / "log"
    start_logging(LogFileHandler(path), logging.INFO, "text")
    LOG.info("first")
    path.rename(tmp_path / "log.1")
    put(kind, path)
    LOG.info("lost")
    LOG.info("lost")
    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    LOG.info("last")
    assert path.read_text().endswith("last\n")
    assert capsys.readouterr().err == ""


def test_a_character_that_has_no_encoding_is_escaped(tmp_path: Path) -> None:
    """The name of a file may contain any bytes."""
    path = tmp_path / "log"
    start_logging(LogFileHandler(path), logging.INFO, "text")
    LOG.info("list b\udcfcro.csv")
    assert "dcfc" in path.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_costs_only_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback for each record either."""
    monkeypatch.setattr("portmapper.observability.log_file.DEVICES", (Path("/dev/full"),))
    start_logging(LogFileHandler(Path("/dev/full")), logging.INFO, "text")
    LOG.info("lost")
    assert capsys.readouterr().err == ""
