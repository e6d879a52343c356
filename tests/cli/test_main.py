"""The command line as a whole: verbs, what goes wrong, and what it costs to start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from portmapper import __version__
from portmapper.cli.main import COMMANDS, main

HEAVY = {"asyncio", "rich", "aiohttp", "async_upnp_client", "attrs", "cattrs", "pluggy", "psutil"}


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_version_costs_nothing(word: str) -> None:
    """No library is imported to print one line."""
    code = (
        "import sys; from portmapper.cli.main import main; status = main(sys.argv[1:]);"
        "print(status, *sorted(sys.modules))"
    )
    command = [sys.executable, "-P", "-c", code, word]
    version, modules = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert version == f"portmapper {__version__}"
    assert modules.startswith("0 ")
    assert not HEAVY & set(modules.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By `--help`, with the line that the overview has."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    output = " ".join(capsys.readouterr().out.split())
    assert f"usage: portmapper {name}" in output
    assert COMMANDS[name][1][1:] in output


def test_the_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and the plugins'; without any word it is a usage error."""
    assert main(["--help"]) == 0
    output = capsys.readouterr().out
    assert all(f"\n  {name} " in output for name in [*COMMANDS, "simulate"])
    assert main([]) == 2


def test_a_misspelt_command_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With the one that was meant."""
    assert main(["discovr"]) == 2
    assert capsys.readouterr().err == "portmapper: there is no command 'discovr'; did you mean 'discover'?\n"


def test_options_may_stand_between_sources(ports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As in every other program."""
    other = ports.with_name("other.csv")
    other.write_text("port;protocol\n8081;UDP\n")
    assert main(["check", str(ports), "--format", "csv", str(other)]) == 0
    output = capsys.readouterr().out
    assert "TCP 8080" in output
    assert "UDP 8081" in output


def test_a_reader_that_leaves_is_no_error_to_complain_about(ports: Path) -> None:
    """`portmapper check | head -1` says nothing on standard error."""
    code = "import os, sys; os.close(1); r, w = os.pipe(); os.close(r); assert w == 1 or os.dup2(w, 1);"
    code += "from portmapper.cli.main import entry; sys.argv[1:] = ['check', sys.argv[1]]; entry()"
    command = [sys.executable, "-P", "-c", code, str(ports)]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_bug_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback, unless it is asked for."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("portmapper.cli.main._command", broken)
    assert main(["check"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "internal error: ZeroDivisionError: a bug" in line
    monkeypatch.setenv("PORTMAPPER_LOG", "debug")
    with pytest.raises(ZeroDivisionError):
        main(["check"])
