"""The client of the daemon's HTTP API."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from platforms import posix_only

from portmapper.api.errors import PortmapperError
from portmapper.control import loopback
from portmapper.control.client import NotRunning, call_daemon
from portmapper.control.unix_socket import SOCKET_NAME, short_address


def test_without_a_socket_no_daemon_runs(tmp_path: Path) -> None:
    """Also if the state directory does not exist."""
    for directory in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NotRunning, match="no daemon runs"):
            call_daemon(directory, "status")


@posix_only("uses Unix sockets")
def test_a_socket_that_a_crash_left_means_no_daemon(tmp_path: Path) -> None:
    """The connection is refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, short_address(tmp_path) as address:
        listener.bind(address)
    assert (tmp_path / SOCKET_NAME).is_socket()
    with pytest.raises(NotRunning, match="no daemon runs"):
        call_daemon(tmp_path, "status")


def test_without_unix_sockets_and_without_a_port_file_no_daemon_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On such a system, the client only looks for the file."""
    monkeypatch.setattr(loopback, "NEEDED", True)
    with pytest.raises(NotRunning, match="no daemon runs"):
        call_daemon(tmp_path, "status")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b'HTTP/1.0 200 OK\r\n\r\n{"version": ',
        b"HTTP/1.0 many\r\n\r\n{}",
    ],
)
@posix_only("uses Unix sockets")
def test_an_invalid_answer_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    """Another program listens, or the daemon ended in the middle of its answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        with short_address(tmp_path) as address:
            listener.bind(address)
        listener.listen()
        thread = threading.Thread(target=_answer_once, args=(listener, content))
        thread.start()
        with pytest.raises(PortmapperError, match="does not answer"):
            call_daemon(tmp_path, "status")
        thread.join()


def _answer_once(listener: socket.socket, content: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(content)
