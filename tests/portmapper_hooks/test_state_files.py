"""The files of the table `[files]`: contents, atomic replacement and failures."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from platforms import posix_only

from portmapper.api import SettingError
from portmapper_hooks import state_files
from portmapper_hooks.state_files import FilesObserver, open_ports, replace_file


def row(port: int | None, state: str = "active") -> dict[str, Any]:
    """Return a mapping of the status document."""
    return {"external_port": port, "state": state}


@pytest.fixture
async def observer(
    tmp_path: Path, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> tuple[FilesObserver, dict[str, Any]]:
    """A started observer, and the status document that it reads."""
    monkeypatch.setattr(state_files, "PAUSE", 0.01)
    monkeypatch.setattr(state_files, "RETRY_SECONDS", 0.01)
    table = {"status": str(tmp_path / "d" / "status.json"), "port": str(tmp_path / "d" / "port")}
    observer = FilesObserver.from_table(table)
    assert observer is not None
    document: dict[str, Any] = {"mappings": [row(40001)]}
    observer.attach_status(lambda: document)
    (tmp_path / "d").mkdir()
    await observer.start()
    stack.push_async_callback(observer.close)
    return observer, document


async def test_both_files_follow_the_events(observer: Any, tmp_path: Path, event: Any, until: Any) -> None:
    """At the start, they replace those of an earlier run."""
    files, document = observer
    port, status = tmp_path / "d" / "port", tmp_path / "d" / "status.json"
    await until(lambda: port.exists() and port.read_text() == "40001\n")
    document["mappings"] = [row(40002), row(40002), row(7, "failed"), row(None), row(40003)]
    await files.observe(event())
    await until(lambda: port.read_text() == "40002\n40003\n")
    assert json.loads(status.read_text()) == document
    document["mappings"] = []
    await files.close()
    assert port.read_text() == ""
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["port", "status.json"]


@posix_only("compares words of Unix")
async def test_a_file_that_cannot_be_written_is_reported_once_and_written_later(
    observer: Any, tmp_path: Path, event: Any, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The other file is still written."""
    files, document = observer
    port = tmp_path / "d" / "port"
    await until(port.exists)
    port.unlink()
    port.mkdir()
    document["mappings"] = [row(40002)]
    await files.observe(event())
    await until(lambda: caplog.records)
    await until(lambda: "40002" in (tmp_path / "d" / "status.json").read_text())
    port.rmdir()
    await until(lambda: port.is_file() and port.read_text() == "40002\n")
    assert [record.getMessage() for record in caplog.records] == [
        f"{port} is not up to date: Is a directory. portmapper tries again"
    ]


@posix_only("uses links")
def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """Others may read the file, and only its owner may write it."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("precious")
    link.symlink_to(target)
    replace_file(link, "1\n")
    assert (target.read_text(), link.read_text(), link.is_symlink()) == ("precious", "1\n", False)
    assert link.stat().st_mode & 0o133 == 0


@posix_only("checks Unix links and modes")
def test_a_directory_that_every_user_can_write_is_refused(tmp_path: Path) -> None:
    """Another user could replace the file."""
    tmp_path.chmod(0o1777)
    with pytest.raises(OSError, match="every user can write its directory"):
        replace_file(tmp_path / "port", "1\n")


def test_an_empty_document_has_no_ports() -> None:
    """A daemon that has just started has no mappings yet."""
    assert open_ports({}) == []


def test_an_unknown_key_is_reported() -> None:
    """Without a table, there is no observer."""
    assert FilesObserver.from_table(None) is None
    with pytest.raises(SettingError, match="unknown key"):
        FilesObserver.from_table({"ports": "/run/port"})
