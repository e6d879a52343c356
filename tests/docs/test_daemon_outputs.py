"""Outputs in the docs that need a running daemon or a probe server have the form of the real ones."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from output_forms import form, shown_below
from running_program import LoopbackGateway, Program

from portmapper.control.client import call_daemon

LIST = "port;protocol;comment\n8080;tcp;web server\n"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A daemon that keeps a port open at a gateway that was restarted once."""
    program = Program(tmp_path_factory.mktemp("daemon"))
    (program.directory / "ports.csv").write_text(LIST)
    gateway = LoopbackGateway()
    try:
        with program.running("run", *gateway.options, "--interval", "1", "ports.csv") as running:
            running.logs("opened 8080/tcp")
            gateway.restart()
            running.logs("restarted")
            running.until(lambda: gateway.ports() == {8080}, "reopened")
            yield program
    finally:
        gateway.close()


def test_the_history_after_a_restart_is_as_shown(root: Path, daemon: Program) -> None:
    """A restart of the gateway is one event."""
    shown = shown_below((root / "docs" / "recovery.md").read_text(encoding="utf-8"), "portmapper history")
    real = [form(line) for line in daemon.run("history").output.splitlines()]
    assert [form(line) for line in shown] == real[: len(shown)]


def test_the_summary_of_the_http_api_is_as_shown(root: Path, daemon: Program) -> None:
    """It has the same keys in the same order, with values of the same types."""
    page = (root / "docs" / "http-api.md").read_text(encoding="utf-8")
    shown = json.loads("".join(shown_below(page, "curl --unix-socket")))
    real = call_daemon(daemon.state, "summary")
    assert [*shown] == [*real]
    assert {key: type(value) for key, value in shown.items()} == {
        key: type(value) for key, value in real.items()
    }


def test_an_error_of_the_http_api_is_as_shown(root: Path, daemon: Program) -> None:
    """It is a problem document."""
    page = (root / "docs" / "http-api.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r'^(\{"type".*)$', page, re.MULTILINE)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(daemon.state / "control.sock"))
        connection.sendall(b"GET /v1/history?limit=0 HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == json.loads(shown)


def test_the_requests_of_the_http_api_are_accepted(root: Path, daemon: Program) -> None:
    """The body of `POST /v1/open` is one."""
    page = (root / "docs" / "http-api.md").read_text(encoding="utf-8")
    (body,) = re.findall(r"/v1/open -d '(.*)'$", page, re.MULTILINE)
    answer: Any = call_daemon(daemon.state, "open", "POST", json.loads(body))
    assert [mapping["wanted_external_port"] for mapping in answer["mappings"]] == [8080]


def test_a_check_from_outside_is_as_shown(root: Path, tmp_path: Path) -> None:
    """The first line is that of a reachable port."""
    page = (root / "docs" / "probe.md").read_text(encoding="utf-8")
    shown, *_ = shown_below(page, "portmapper probe check")
    program = Program(tmp_path)
    with program.running("probe", "serve", "--listen", "127.0.0.1:0", "--json") as server:
        server.until(lambda: "\n" in server.output, "ready")
        place = json.loads(server.output)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            done = program.run("probe", "check", place["url"], f"{port}/tcp")
    assert form(done.output.strip().replace(str(port), "8080")) == form(shown)
