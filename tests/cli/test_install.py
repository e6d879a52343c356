"""`portmapper install` and `uninstall` run pip in portmapper's environment."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portmapper.cli import install
from portmapper.cli.main import main


@pytest.fixture(autouse=True)
def with_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with pip, whatever environment the tests run in."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name == "pip" else find(name))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The recorded command lines; nothing is run."""
    made: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        made.append(command)
        return subprocess.CompletedProcess(command, 2 if "nothing" in command else 0)

    monkeypatch.setattr(install.subprocess, "run", run)
    monkeypatch.setattr(install, "_is_externally_managed", lambda: False)
    return made


@pytest.fixture
def without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without pip."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else find(name))


def test_pip_of_this_interpreter_installs(calls: list[list[str]]) -> None:
    """It is not the first pip on the path."""
    assert main(["install", "portmapper-mqtt", "./mine"]) == 0
    assert calls == [[sys.executable, "-m", "pip", "install", "portmapper-mqtt", "./mine"]]


def test_pip_uninstalls_without_confirmation(calls: list[list[str]]) -> None:
    """pip's own question is skipped."""
    assert main(["uninstall", "portmapper-mqtt"]) == 0
    assert calls == [[sys.executable, "-m", "pip", "uninstall", "--yes", "portmapper-mqtt"]]


def test_a_failure_of_pip_is_status_1(calls: list[list[str]]) -> None:
    """pip's own exit status does not matter."""
    assert main(["install", "nothing"]) == 1


@pytest.mark.usefixtures("without_pip")
def test_uv_replaces_a_missing_pip(calls: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """uv installs for this interpreter, whichever environment is active."""
    monkeypatch.setattr(install.shutil, "which", lambda _: "/usr/bin/uv")
    assert [main(["install", "x"]), main(["uninstall", "x"])] == [0, 0]
    assert calls == [
        ["/usr/bin/uv", "pip", verb, "--python", sys.executable, "x"] for verb in ("install", "uninstall")
    ]


@pytest.mark.usefixtures("without_pip")
def test_neither_pip_nor_uv_is_an_error(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names both."""
    monkeypatch.setattr(install.shutil, "which", lambda _: None)
    assert (main(["install", "x"]), calls) == (1, [])
    assert "neither pip nor uv" in capsys.readouterr().err


def test_an_externally_managed_environment_is_not_changed(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By PEP 668, the package manager owns it; the message suggests a virtual environment."""
    monkeypatch.setattr(install, "_is_externally_managed", lambda: True)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert (main(["install", "x"]), calls) == (1, [])
    assert "virtual environment" in capsys.readouterr().err


def test_the_marker_file_of_pep_668_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is beside the standard library."""
    monkeypatch.setattr(install.sysconfig, "get_path", lambda _: str(tmp_path))
    assert not install._is_externally_managed()
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    assert install._is_externally_managed()


def test_portmapper_does_not_uninstall_itself(
    calls: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The message points to pip."""
    assert (main(["uninstall", "portmapperd"]), calls) == (1, [])
    assert "itself" in capsys.readouterr().err


def test_pipx_injects_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pipx forgets packages that pip adds to its environments."""
    (tmp_path / "pipx_metadata.json").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    ran: list[list[str]] = []
    monkeypatch.setattr("portmapper.cli.install._run", lambda command: ran.append(command) or 0)
    assert main(["install", "portmapper-docker"]) == 0
    assert main(["uninstall", "portmapper-docker"]) == 0
    assert ran == [
        ["pipx", "inject", "portmapperd", "portmapper-docker"],
        ["pipx", "uninject", "portmapperd", "portmapper-docker"],
    ]


def test_an_environment_of_uv_tool_gets_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """uv makes it from its own list of packages."""
    (tmp_path / "uv-receipt.toml").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert main(["install", "portmapper-docker"]) == 1
    assert "run: uv tool install --with portmapper-docker portmapperd" in capsys.readouterr().err


def test_the_command_for_uv_keeps_the_other_plugins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """uv removes what its next command does not name."""
    (tmp_path / "uv-receipt.toml").write_text(
        '[tool]\nrequirements = [{ name = "portmapperd" }, { name = "portmapper-notify" }, '
        '{ name = "portmapper-mine", directory = "/srv/my plugin" }]\n'
    )
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    kept = "--with '/srv/my plugin'"
    assert main(["install", "portmapper-docker"]) == 1
    expected = f"run: uv tool install --with portmapper-notify {kept} --with portmapper-docker portmapperd\n"
    assert capsys.readouterr().err.endswith(expected)
    assert main(["uninstall", "portmapper-notify"]) == 1
    assert capsys.readouterr().err.endswith(f"run: uv tool install {kept} portmapperd\n")
