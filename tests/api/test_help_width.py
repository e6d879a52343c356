"""The help of a command is as wide as argparse makes it."""

from __future__ import annotations

import shutil

import pytest

from portmapper.api.command import _columns, build_parser
from portmapper.cli.close import Close


@pytest.mark.parametrize("given", ["", "0", "40", "132", "x"])
def test_the_width_is_that_of_shutil(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from COLUMNS, or else from the terminal."""
    monkeypatch.setenv("COLUMNS", given)
    assert _columns() == shutil.get_terminal_size().columns


def test_without_a_standard_output_the_width_is_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service on Windows has none."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.__stdout__", None)
    assert _columns() == 80


def test_on_a_narrow_screen_options_have_their_help_below(monkeypatch: pytest.MonkeyPatch) -> None:
    """No path or name of a variable is broken."""
    monkeypatch.setenv("COLUMNS", "40")
    text = build_parser(Close()).format_help()
    assert "  --yes\n      with --stale: do not ask for\n      confirmation\n" in text
    assert "      portmapper/portmapper.toml in\n" in text
    assert "      PORTMAPPER_LOG, or info" in text
