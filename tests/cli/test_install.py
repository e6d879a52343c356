"""`portmapper install` and `uninstall` call pip in the environment that runs us."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portmapper.cli import install
from portmapper.cli.main import main


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is run in place of pip, which succeeds."""
    made: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        made.append(command)
        return subprocess.CompletedProcess(command, 2 if "nothing" in command else 0)

    monkeypatch.setattr(install.subprocess, "run", run)
    monkeypatch.setattr(install, "_is_externally_managed", lambda: False)
    return made


@pytest.fixture
def without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no pip in this environment."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else find(name))


def test_pip_of_this_interpreter_installs(calls: list[list[str]]) -> None:
    """Not the first pip on the path."""
    assert main(["install", "portmapper-mqtt", "./mine"]) == 0
    assert calls == [[sys.executable, "-m", "pip", "install", "portmapper-mqtt", "./mine"]]


def test_pip_removes_without_asking(calls: list[list[str]]) -> None:
    """The command was the question."""
    assert main(["uninstall", "portmapper-mqtt"]) == 0
    assert calls == [[sys.executable, "-m", "pip", "uninstall", "--yes", "portmapper-mqtt"]]


def test_a_failure_of_pip_is_ours(calls: list[list[str]]) -> None:
    """Whatever status it ends with."""
    assert main(["install", "nothing"]) == 1


@pytest.mark.usefixtures("without_pip")
def test_uv_takes_the_place_of_a_missing_pip(calls: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """For this interpreter, whichever environment is active."""
    monkeypatch.setattr(install.shutil, "which", lambda _: "/usr/bin/uv")
    assert [main(["install", "x"]), main(["uninstall", "x"])] == [0, 0]
    assert calls == [
        ["/usr/bin/uv", "pip", verb, "--python", sys.executable, "x"] for verb in ("install", "uninstall")
    ]


@pytest.mark.usefixtures("without_pip")
def test_neither_is_said(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line."""
    monkeypatch.setattr(install.shutil, "which", lambda _: None)
    assert (main(["install", "x"]), calls) == (1, [])
    assert "neither pip nor uv" in capsys.readouterr().err


def test_a_system_environment_is_left_alone(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """PEP 668: the package manager owns it, and we say what to do instead."""
    monkeypatch.setattr(install, "_is_externally_managed", lambda: True)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert (main(["install", "x"]), calls) == (1, [])
    assert "virtual environment" in capsys.readouterr().err


def test_the_mark_of_the_package_manager_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It lies beside the standard library."""
    monkeypatch.setattr(install.sysconfig, "get_path", lambda _: str(tmp_path))
    assert not install._is_externally_managed()
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    assert install._is_externally_managed()


def test_the_program_does_not_remove_itself(
    calls: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """That is pip's to do."""
    assert (main(["uninstall", "portmapperd"]), calls) == (1, [])
    assert "itself" in capsys.readouterr().err
