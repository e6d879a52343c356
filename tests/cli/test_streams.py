"""Standard output may be closed, or unable to show a character."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running_program import PROGRAM

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses a Unix shell")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["--version", "check {list}", "status --state-dir {state}", "--help"])
def test_a_closed_stream_changes_no_exit_status(
    program: Any, tmp_path: Path, command: str, closed: str
) -> None:
    """And nothing is written into a file that got its descriptor."""
    (tmp_path / "ports.csv").write_text("port;protocol\n8080;TCP\n")
    words = command.format(list=tmp_path / "ports.csv", state=tmp_path / "state").split()
    expected = program.run(*words).status
    line = f'"$@" {closed}'
    done = subprocess.run(
        ["sh", "-c", line, "sh", *PROGRAM, *words], check=False, env=program.environment, timeout=60
    )
    assert done.returncode == expected


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1"])
def test_a_character_that_the_encoding_lacks_is_replaced(program: Any, tmp_path: Path, encoding: str) -> None:
    """The rest of the line is shown."""
    (tmp_path / "ports.csv").write_text("port;protocol;comment\n8080;TCP;gm\u0131 \U0001f600 \u6f22\n")
    environment = {**program.environment, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [*PROGRAM, "check", str(tmp_path / "ports.csv")],
        check=False,
        env=environment,
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, b"Traceback" in done.stderr, b"internal error" in done.stderr) == (
        0,
        False,
        False,
    )
    assert b"8080" in done.stdout


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "ascii"])
def test_our_own_characters_are_spelled_out(program: Any, tmp_path: Path, encoding: str) -> None:
    """An arrow becomes `->`: a `?` between two endpoints tells nothing."""
    (tmp_path / "ports.csv").write_text("port;protocol;comment\n8080;TCP;\u2192 \u6f22\n")
    environment = {**program.environment, "PYTHONIOENCODING": encoding}
    command = [*PROGRAM, "check", str(tmp_path / "ports.csv")]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, timeout=60)
    assert b"8080/tcp -> this host:8080  -> ?" in done.stdout


def test_an_error_keeps_foreign_characters_as_escapes(program: Any, tmp_path: Path) -> None:
    """They may be the name of a file, which the user has to find."""
    environment = {**program.environment, "PYTHONIOENCODING": "ascii"}
    command = [*PROGRAM, "check", str(tmp_path / "\u6f22\u2192.csv")]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, timeout=60)
    assert b"\\u6f22->.csv: no such file" in done.stderr


def test_a_full_output_is_an_error_without_a_traceback(program: Any) -> None:
    """Such as a full disk."""
    if not Path("/dev/full").exists():
        pytest.skip("needs a full device")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*PROGRAM, "--version"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, **program.environment},
            timeout=60,
        )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
