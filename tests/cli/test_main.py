"""The entry point: commands, errors, startup cost and exit."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from portmapper import __version__
from portmapper.cli.main import COMMANDS, main

HEAVY = {"asyncio", "rich", "aiohttp", "async_upnp_client", "attrs", "cattrs", "pluggy", "psutil"}


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_version_imports_no_library(word: str) -> None:
    """Printing one line needs no library."""
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
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` shows the same line as the overview."""
    with pytest.raises(SystemExit) as done:
        main([name, "--help"])
    assert done.value.code == 0
    output = " ".join(capsys.readouterr().out.split())
    assert f"usage: portmapper {name}" in output
    assert COMMANDS[name][1][1:] in output
    assert f"example: portmapper {name}" in output or f"examples: portmapper {name}" in output


def test_help_of_a_command_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """`help run` and `run --help` are the same."""
    shown = []
    for words in (["help", "run"], ["run", "--help"]):
        with pytest.raises(SystemExit) as done:
            main(words)
        assert done.value.code == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert main(["help", "rum"]) == 2
    assert "did you mean 'run'?" in capsys.readouterr().err


def test_the_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """It includes plugins' commands; without arguments, it is a usage error."""
    assert main(["--help"]) == 0
    output = capsys.readouterr().out
    assert all(f"\n  {name} " in output for name in [*COMMANDS, "simulate"])
    assert main([]) == 2


def test_the_overview_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal would break the longer lines within a word."""
    assert main(["--help"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


def test_an_unknown_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The message suggests the nearest command."""
    assert main(["discovr"]) == 2
    assert capsys.readouterr().err == "portmapper: there is no command 'discovr'; did you mean 'discover'?\n"


def test_a_closed_pipe_prints_no_error(ports: Path) -> None:
    """`portmapper check | head -1` prints nothing to standard error."""
    code = "import os, sys; os.close(1); r, w = os.pipe(); os.close(r); assert w == 1 or os.dup2(w, 1);"
    code += "from portmapper.cli.main import entry; sys.argv[1:] = ['check', sys.argv[1]]; entry()"
    command = [sys.executable, "-P", "-c", code, str(ports)]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_closed_pipe_of_windows_prints_no_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows reports it as an invalid argument. With the name of a file, it is another error."""
    names: list[str | None] = [None, "list.csv"]

    def closed(*_: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument", names.pop(0))

    monkeypatch.setattr("portmapper.cli.main._command", closed)
    monkeypatch.setattr("portmapper.cli.main._discard_output", lambda: None)
    monkeypatch.setattr(sys, "platform", "win32")
    assert (main(["check"]), capsys.readouterr().err) == (1, "")
    assert (main(["check"]), "Invalid argument" in capsys.readouterr().err) == (1, True)


def test_an_unexpected_exception_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traceback is printed only with `PORTMAPPER_LOG=debug`."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("portmapper.cli.main._command", broken)
    assert main(["check"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "internal error: ZeroDivisionError: a bug" in line
    monkeypatch.setenv("PORTMAPPER_LOG", "debug")
    with pytest.raises(ZeroDivisionError):
        main(["check"])


BLOCKED_THREAD = """
import threading, time
from portmapper.cli import main
def blocked():
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    print("printed")
    return 3
main.main = blocked
main.entry()
"""


def test_a_blocked_thread_does_not_delay_the_exit() -> None:
    """The exit status and the output of the command are kept."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", BLOCKED_THREAD], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "printed\n", "")


EXIT_HANDLER = """
import atexit, sys
from portmapper.cli import main
atexit.register(print, "exit handler")
sys.argv[1:] = ["--version"]
main.entry()
"""


def test_exit_handlers_run() -> None:
    """Plugins may need them, although the interpreter is not finalized."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", EXIT_HANDLER], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[1:], done.stderr) == (0, ["exit handler"], "")
