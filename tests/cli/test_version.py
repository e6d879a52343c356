"""`portmapper version`."""

from __future__ import annotations

import pytest

from portmapper import __version__
from portmapper.cli.main import main


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It is the same as with `--version`."""
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"portmapper {__version__}\n"
