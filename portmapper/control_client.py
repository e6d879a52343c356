"""Asks the daemon of a state directory over its control socket, or its loopback port."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from pathlib import Path
from typing import Any

from portmapper import control_port
from portmapper.control_port import LOOPBACK, PORT_FILE
from portmapper.control_socket import VERSION, short_address
from portmapper.errors import PortmapperError

ANSWER_LIMIT = 10.0


class NotRunning(PortmapperError):
    """No daemon serves that state directory."""


def ask_daemon(directory: Path, path: str, method: str = "GET", body: object = None) -> Any:
    """Return the JSON answer to one request, such as `status`; `body` goes with it as JSON.

    Raises:
        NotRunning: nobody listens there.
        PortmapperError: the daemon's answer is an error, or none.
    """
    try:
        connection, headers = _connection(directory)
        with contextlib.closing(connection):
            connection.request(
                method, f"/{VERSION}/{path}", None if body is None else json.dumps(body), headers
            )
            response = connection.getresponse()
            document = json.loads(response.read())
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise NotRunning(f"no daemon runs for {directory}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise PortmapperError(f"the daemon of {directory} does not answer: {error}") from error
    if response.status != http.client.OK:
        raise PortmapperError(f"the daemon refuses: {document.get('error', response.status)}")
    return document


def _connection(directory: Path) -> tuple[http.client.HTTPConnection, dict[str, str]]:
    """Return a connection to be made, and what each request over it has to bring."""
    if control_port.NEEDED or (directory / PORT_FILE).exists():
        control = control_port.read(directory)
        connection = http.client.HTTPConnection(LOOPBACK, control.port, timeout=ANSWER_LIMIT)
        return connection, {"Authorization": control.authorization}
    return _Connection(directory), {}


class _Connection(http.client.HTTPConnection):
    """HTTP over the Unix socket."""

    def __init__(self, directory: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_LIMIT)
        self._directory = directory

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_LIMIT)
        with short_address(self._directory) as address:
            self.sock.connect(address)
