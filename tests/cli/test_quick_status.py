"""`status` of a running daemon in the usual cases prints what the full command prints, and starts faster."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from status_documents import forty_one

from portmapper.api.errors import PortmapperError
from portmapper.api.model import HELD_BACK
from portmapper.cli import quick_status, status, wording
from portmapper.control.client import NotRunning

pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems use the full command")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Replace the daemon; the list gets the directories of the daemons that were asked."""
    directories: list[str] = []

    def answer(directory: Path | str, path: str) -> dict[str, Any]:
        directories.append(str(directory))
        return forty_one()

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(quick_status, "call_daemon", answer)
    monkeypatch.setattr("portmapper.control.client.call_daemon", answer)
    return directories


def run_quickly(words: Sequence[str]) -> tuple[int | None, str]:
    """Return the exit status of the quick command, and what it printed."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        return quick_status.quick_status(words), output.getvalue()


def run_fully(words: Sequence[str]) -> tuple[int | None, str]:
    """Return the same of the full command."""
    from portmapper.cli.main import _run_command

    with contextlib.redirect_stdout(io.StringIO()) as output:
        return _run_command(status.Status(), list(words)), output.getvalue()


@pytest.mark.parametrize(
    "words",
    [
        ["--json"],
        ["--json", "--state-dir", "/srv//state/./ports/"],
        ["--state-dir=there", "--json"],
        ["--state-dir", "../there", "--json"],
    ],
)
def test_it_prints_what_the_full_command_prints(asked: list[str], words: list[str]) -> None:
    """The state directory is written the same."""
    assert run_quickly(words) == run_fully(words)
    assert len(set(asked)) == 1


def test_the_table_is_that_of_the_full_command(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first lines tell how many are open."""
    monkeypatch.setenv("COLUMNS", "80")
    code, text = run_quickly(["--state-dir", "/srv/state"])
    assert code == 0
    assert text.startswith("40 of 41 open")
    assert "state /srv/state" in text


def test_a_service_and_its_state_directory_are_found(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """systemd sets the variable."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    assert run_quickly(["--json"])[0] == 0
    assert asked == [str(tmp_path)]


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--watch"],
        ["--js"],
        ["--config", "x.toml"],
        ["--state-dir"],
        ["--state-dir="],
        ["--state-dir", ""],
        ["--state-dir", "-x"],
        ["--state-dir", "a", "b"],
        ["--state-directory", "a"],
        ["a", "--json"],
    ],
)
def test_other_words_are_left_to_the_full_command(asked: list[str], words: list[str]) -> None:
    """It knows abbreviations, and suggests what was meant."""
    assert run_quickly(words) == (None, "")
    assert asked == []


@pytest.mark.parametrize("words", [["--json"], ["--json", "--state-dir", "/srv/ports"]])
def test_a_settings_file_may_name_the_state_directory(
    asked: list[str], tmp_path: Path, words: list[str]
) -> None:
    """The option overrides it."""
    file = tmp_path / "own.toml"
    file.write_text('state_dir = "/srv/from settings/"\n')
    words = ["--config", str(file), *words]
    quick = run_quickly(words)
    assert quick == run_fully(words)
    assert quick[0] == 0
    assert asked == [words[-1] if "--state-dir" in words else "/srv/from settings"] * 2


def test_a_doubtful_settings_file_is_left_to_the_full_command(asked: list[str], tmp_path: Path) -> None:
    """It says what is wrong."""
    file = tmp_path / ".config" / "portmapper" / "portmapper.toml"
    file.parent.mkdir(parents=True)
    file.write_text("unknown = 1")
    assert run_quickly(["--json"]) == (None, "")
    assert asked == []


def test_without_a_daemon_the_full_command_shows_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is printed before."""

    def refuse(directory: Path | str, path: str) -> dict[str, Any]:
        raise NotRunning(f"no daemon runs for {directory}")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(quick_status, "call_daemon", refuse)
    assert run_quickly(["--state-dir", str(tmp_path)]) == (None, "")


def test_a_daemon_that_does_not_answer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The full command would wait for it once more."""

    def fail(directory: Path | str, path: str) -> dict[str, Any]:
        raise PortmapperError("the daemon does not answer")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(quick_status, "call_daemon", fail)
    with pytest.raises(PortmapperError, match="does not answer"):
        run_quickly(["--state-dir", str(tmp_path)])


def test_the_states_of_held_back_mappings_are_those_of_the_model() -> None:
    """The screens name them without an import of attrs."""
    assert tuple(HELD_BACK) == wording.HELD_BACK
