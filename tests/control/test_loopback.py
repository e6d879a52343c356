"""The loopback port of the daemon's API, on systems without Unix sockets."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portmapper.api.errors import PortmapperError
from portmapper.control import loopback
from portmapper.control.client import NotRunning, call_daemon
from portmapper.control.loopback import PORT_FILE, ControlPort
from portmapper.control.unix_socket import SOCKET_NAME


async def test_the_api_answers_on_a_loopback_port(tmp_path: Path, served: Any, call: Any) -> None:
    """Only its owner can read the file with port and token, which disappears with the daemon."""
    async with served(tmp_path, loopback=True) as daemon:
        assert not (tmp_path / SOCKET_NAME).exists()
        assert stat.S_IMODE((tmp_path / PORT_FILE).stat().st_mode) == 0o600
        assert await call("status") == {"version": "1"}
        assert await call("reload", "POST") == {"reloading": True, "sources": []}
        assert daemon.reloads == 1
    assert not (tmp_path / PORT_FILE).exists()


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Bearer \xe9", "Basic {token}", "{token}"])
async def test_a_request_without_the_token_is_refused(tmp_path: Path, served: Any, header: str) -> None:
    """Every user of the host can connect to the port; the answer is JSON and reveals nothing."""
    async with served(tmp_path, loopback=True) as daemon:
        control = loopback.read(tmp_path)
        reader, writer = await asyncio.open_connection("127.0.0.1", control.port)
        line = f"Authorization: {header.format(token=control.token)}\r\n" if header else ""
        writer.write(
            f"POST /v1/reload HTTP/1.1\r\nHost: x\r\n{line}Connection: close\r\n\r\n".encode("latin-1")
        )
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 401")
        problem = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert problem["detail"] == "the token from control.json is missing or invalid"
        assert daemon.reloads == 0


async def test_each_daemon_has_its_own_token(tmp_path: Path, served: Any) -> None:
    """The token of an earlier daemon authorizes nothing."""
    tokens = set()
    for _ in range(2):
        async with served(tmp_path, loopback=True):
            tokens.add(loopback.read(tmp_path).token)
    assert len(tokens) == 2


@pytest.mark.parametrize("left", ["", "[]", "{}", '{"port": 0, "token": "x"}', '{"port": 80, "token": 1}'])
def test_an_invalid_port_file_is_one_clear_line(tmp_path: Path, left: str) -> None:
    """It is incomplete, or another program wrote it."""
    (tmp_path / PORT_FILE).write_text(left)
    with pytest.raises(PortmapperError, match="does not answer"):
        call_daemon(tmp_path, "status")


def test_a_port_file_that_a_crash_left_means_no_daemon(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Nothing listens on its port."""
    (tmp_path / PORT_FILE).write_text(json.dumps({"port": free_port(), "token": "x"}))
    with pytest.raises(NotRunning, match="no daemon runs"):
        call_daemon(tmp_path, "status")


def test_a_control_port_shows_no_token() -> None:
    """Neither a log line nor a traceback reveals it."""
    control = ControlPort(8080, "secret")
    assert "secret" not in repr(control)
    assert control.authorizes(control.authorization)
