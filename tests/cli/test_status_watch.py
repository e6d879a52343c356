"""`portmapper status --watch` without a daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from portmapper.api.errors import PortmapperError
from portmapper.cli import status


def test_it_waits_for_a_daemon(tmp_path: Path) -> None:
    """The screen says so, and the stored leases are shown until then."""
    document = status._watched(tmp_path)
    assert document["error"] == "waiting for a daemon to start"
    assert document["pid"] is None
    assert document["state_dir"] == str(tmp_path)


def test_an_error_of_the_daemon_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that starts or stops does not end the screen."""

    def fail(_: Path) -> None:
        raise PortmapperError("the daemon does not answer")

    monkeypatch.setattr(status, "_document", fail)
    assert status._watched(tmp_path)["error"] == "the daemon does not answer"
