"""The listener on a LAN address, used from other hosts, with packets through a real gateway."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from netlab.lab import LAN_HOST, WAN_GATEWAY, Lab
from netlab.managed_daemon import ManagedDaemon
from netlab.namespaces import Namespace
from netlab.program import Program

PORT = 8880
ADDRESS = f"{LAN_HOST}:{PORT}"
RECORD = {"mappings": [{"port": 9000, "protocol": "tcp"}]}


def send(sender: Namespace, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """Send a request from a host, and return status and document of the answer."""
    content = b"" if body is None else json.dumps(body).encode()
    sent = {"host": ADDRESS, "content-length": str(len(content)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    with sender.socket(socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect((LAN_HOST, PORT))
        connection.sendall(f"{method} {path} HTTP/1.0\r\n{lines}\r\n".encode() + content)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, document = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(document)


@pytest.fixture
def managed(lab: Lab, program: Program, tmp_path: Path) -> ManagedDaemon:
    """A daemon with one listed port."""
    managed = ManagedDaemon(lab, program, tmp_path)
    managed.write([("TCP", 8080)])
    return managed


def test_another_host_opens_and_closes_a_port_with_a_token(
    lab: Lab, program: Program, managed: ManagedDaemon
) -> None:
    """The WAN host reaches it in between; without a token, only the health is shown."""
    with managed.daemon("--http", ADDRESS):
        token = program.run("web", "token", "--state-dir", str(managed.state)).output.strip()
        bearer = {"authorization": f"Bearer {token}"}
        assert send(lab.router, "GET", "/healthz") == (200, {"status": "ok"})
        assert send(lab.router, "GET", "/readyz") == (200, {"status": "ok"})
        assert send(lab.router, "GET", "/v1/summary")[0] == 401
        assert send(lab.router, "POST", "/v1/open", RECORD)[0] == 401
        status, summary = send(lab.router, "GET", "/v1/summary", **bearer)
        assert (status, summary["open"], summary["external_address"]) == (200, 1, WAN_GATEWAY)
        assert summary["reachable"] is True
        assert send(lab.router, "POST", "/v1/open", RECORD, **bearer)[0] == 200
        assert lab.reaches("TCP", 9000)
        _, closed = send(lab.router, "POST", "/v1/close", RECORD, **bearer)
        assert [result["result"] for result in closed["ports"]] == ["closed"]
        assert not managed.answers(("TCP", 9000))


def test_another_name_or_site_is_refused(lab: Lab, program: Program, managed: ManagedDaemon) -> None:
    """Even with a token; the ports of the list stay open."""
    with managed.daemon("--http", ADDRESS):
        token = program.run("web", "token", "--state-dir", str(managed.state)).output.strip()
        bearer = {"authorization": f"Bearer {token}"}
        assert send(lab.router, "GET", "/v1/summary", **{**bearer, "host": "rebound.example"})[0] == 421
        foreign = {**bearer, "origin": "https://evil.example"}
        assert send(lab.router, "POST", "/v1/open", RECORD, **foreign)[0] == 403
        assert not managed.answers(("TCP", 9000))
        assert managed.all_answer()
