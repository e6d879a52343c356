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
import trustme

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
            assert process.wait(60) == 0
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
        ("check", "https://127.0.0.1", "80", "--ca-file", "/nonexistent"),
        ("check", "https://127.0.0.1", "80", "--ca-file", "/dev/null"),
        ("check", "https://127.0.0.1", "80", "--certificate", "/dev/null"),
        ("serve", "--listen", "127.0.0.1:0", "--key", "/dev/null"),
        ("serve", "--listen", "127.0.0.1:0", "--ca-file", "/dev/null"),
        ("serve", "--listen", "127.0.0.1:0", "--certificate", "/nonexistent"),
        ("serve", "--listen", "127.0.0.1:0", "--certificate", "/dev/null"),
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


def test_a_server_with_a_certificate_is_verified(
    tmp_path: Path, free_port: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its certificate, the check is `unknown`, and the reason says what to set."""
    authority = trustme.CA()
    pair, ca = authority.issue_cert("127.0.0.1"), tmp_path / "ca.pem"
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    authority.cert_pem.write_to_path(ca)
    pair.cert_chain_pems[0].write_to_path(certificate)
    pair.private_key_pem.write_to_path(key)
    words = ("probe", "serve", "--listen", "127.0.0.1:0", "--json")
    words += ("--certificate", str(certificate), "--key", str(key))
    with subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            served = json.loads(process.stdout.readline())
            assert served["url"] == f"https://127.0.0.1:{served['port']}"
            check = ["probe", "check", served["url"], f"{free_port()}/tcp", "--state-dir", str(tmp_path)]
            assert main([*check, "--ca-file", str(ca), "--json"]) == 0
            capsys.readouterr()
            assert main([*check, "--json"]) == 1
        finally:
            process.kill()
    [result] = json.loads(capsys.readouterr().out)["mappings"]
    assert result["state"] == "unknown"
    assert "cannot verify the probe server" in result["reason"]
    assert "--ca-file" in result["reason"]
