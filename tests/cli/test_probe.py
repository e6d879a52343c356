"""`probe serve` and `probe check` as processes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portmapper.cli.main import main

PROGRAM = (sys.executable, "-m", "portmapper.cli.main")
SECRET = "0123456789abcdef"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A file with a token."""
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n")
    return path


@pytest.fixture
def served(token_file: Path) -> Iterator[dict[str, Any]]:
    """What a running probe server prints."""
    words = ("probe", "serve", "--listen", "127.0.0.1:0", "--token-file", str(token_file), "--json")
    with subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert process.stderr is not None
            log = process.stderr.read().decode()
            assert "served" in log
            assert "127.0.0.1" not in log
        finally:
            process.kill()


def test_a_check_prints_the_results(
    served: dict[str, Any],
    token_file: Path,
    free_port: Callable[[], int],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """The keys are a contract; the exit status says whether all ports are reachable."""
    port, closed = free_port(), free_port()
    options = ["--token-file", str(token_file), "--state-dir", str(tmp_path / "state")]
    words = ["probe", "check", served["url"], f"{port}/tcp", *options]
    assert served["url"] == f"http://{served['address']}:{served['port']}"
    assert main([*words, "--json"]) == 0
    [result] = json.loads(capsys.readouterr().out)["mappings"]
    assert result.pop("reason")
    assert result == {"port": port, "protocol": "TCP", "state": "yes", "seen_from": "127.0.0.1"}
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", closed))
        assert main([*words, f"{closed}/tcp"]) == 1
    lines = capsys.readouterr().out.splitlines()
    seen = f"seen from 127.0.0.1 as 127.0.0.1:{port} (no program listens; a temporary listener answered)"
    assert lines[0] == f"{port}/tcp reachable from outside: yes, {seen}"
    assert lines[1].startswith(f"{closed}/tcp reachable from outside: no, ")


@pytest.mark.parametrize(
    "words",
    [
        ("serve",),
        ("serve", "--listen", "9700"),
        ("serve", "--listen", "localhost:9700"),
        ("serve", "--listen", "127.0.0.1:65536"),
        ("serve", "http://127.0.0.1", "--listen", "127.0.0.1:0"),
        ("check",),
        ("check", "http://127.0.0.1"),
        ("check", "ftp://127.0.0.1", "80"),
        ("check", "127.0.0.1:9700", "80"),
        ("check", "http://user:secret@127.0.0.1", "80"),
        ("check", "http://127.0.0.1:99999", "80"),
        ("check", "http://127.0.0.1", "any"),
        ("check", "http://127.0.0.1", "1-65535"),
        ("check", "http://127.0.0.1", "80", "--token-file", "/nonexistent"),
        ("check", "http://127.0.0.1", "80", "--listen", "127.0.0.1:0"),
    ],
)
def test_invalid_arguments_are_one_line(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """No server is asked, and none is started."""
    assert main(["probe", *words]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert "secret" not in errors


def test_a_used_port_is_one_line(free_port: Callable[[], int], capsys: pytest.CaptureFixture[str]) -> None:
    """The message names it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", free_port()))
        bound.listen()
        port = bound.getsockname()[1]
        assert main(["probe", "serve", "--listen", f"127.0.0.1:{port}"]) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
