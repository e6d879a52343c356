"""`portmapper plugins` lists plugins and creates projects."""

from __future__ import annotations

import json
import re
import types
from pathlib import Path

import pytest

from portmapper import __version__
from portmapper.cli import plugins
from portmapper.cli.main import main


def test_new_prints_the_next_steps(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are to edit, to test and to use the plugin."""
    assert main(["plugins", "new", "my-router", "--kind", "backend"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["Edit", "Test", "Use"]
    assert (workdir / "my-router" / "my_router.py").exists()


@pytest.mark.usefixtures("workdir")
def test_new_prints_the_commands_of_windows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An environment has no `bin` there, and `cmd` knows no single quotes."""
    monkeypatch.setattr(plugins, "sys", types.SimpleNamespace(platform="win32"))
    assert main(["plugins", "new", "my-router", "--kind", "backend"]) == 0
    assert r'.venv\Scripts\pip install ".[test]"' in capsys.readouterr().out


@pytest.mark.parametrize("words", [["new"], ["new", "x"], ["new", "--kind", "format"], ["--kind", "format"]])
def test_a_missing_name_or_kind_is_a_usage_error(
    words: list[str], workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message shows an example and the kinds."""
    assert main(["plugins", *words]) == 2
    assert "for example: portmapper plugins new my-router --kind backend" in capsys.readouterr().err


def test_loaded_plugins_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its state and what it provides, as a table and as JSON."""
    assert main(["plugins", "--json"]) == 0
    reports = {report["name"]: report for report in json.loads(capsys.readouterr().out)}
    assert (reports["pcp"]["state"], reports["pcp"]["provides"][0]) == ("loaded", "backend:pcp")
    assert main(["plugins"]) == 0
    assert "backend:pcp" in capsys.readouterr().out


def test_a_disabled_plugin_is_listed_as_disabled(capsys: pytest.CaptureFixture[str]) -> None:
    """It provides nothing."""
    assert main(["plugins", "--json", "--disable-plugin", "pcp"]) == 0
    reports = {report["name"]: report for report in json.loads(capsys.readouterr().out)}
    assert (reports["pcp"]["state"], reports["pcp"]["provides"]) == ("disabled", [])


def test_a_narrow_screen_cuts_no_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a plugin provides, and its distribution, move below it."""
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["plugins"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  backend:pcp, backend:natpmp" in lines
    assert not any("…" in line for line in lines)


def test_on_a_usual_screen_only_long_rows_take_two_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The distribution stays in the row."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["plugins"]) == 0
    text = capsys.readouterr().out
    assert re.search(rf"^http +loaded +portmapperd {__version__} +source:http$", text, re.MULTILINE)
    assert all(len(line) <= 80 for line in text.splitlines())
