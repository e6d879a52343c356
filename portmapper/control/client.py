"""Client of the daemon's HTTP API, over its Unix socket or its loopback port.

Each request has its own connection. `http.client` is not used: it loads OpenSSL and the e-mail parser,
which costs a tenth of the run time of `status`.
"""

from __future__ import annotations

import json
import os
import socket

from portmapper.api.errors import PortmapperError
from portmapper.control import loopback
from portmapper.control.loopback import LOOPBACK, PORT_FILE
from portmapper.control.unix_socket import VERSION, short_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

ANSWER_LIMIT = 20.0
"""Seconds without any data before the client gives up."""

CHUNK = 65_536
SUCCESS = range(200, 300)


class NotRunning(PortmapperError):
    """No daemon runs for that state directory."""


def call_daemon(
    directory: Path | str,
    path: str,
    method: str = "GET",
    body: object = None,
    limit: float = ANSWER_LIMIT,
) -> Any:
    """Send one request, such as `status` or `/healthz`, and return the JSON answer; send `body` as JSON.
    `limit` is the number of seconds to wait for data.

    Raises:
        NotRunning: no daemon listens.
        PortmapperError: the daemon answered with an error or did not answer.
    """
    content = b"" if body is None else json.dumps(body).encode()
    try:
        connection, headers = _connect(directory, limit)
        with connection:
            connection.sendall(_request(method, path, headers, content))
            status, document = _parse(b"".join(iter(lambda: connection.recv(CHUNK), b"")))
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise NotRunning(f"no daemon runs for {directory}") from error
    except (OSError, ValueError) as error:
        raise PortmapperError(f"the daemon of {directory} does not answer: {error}") from error
    if status not in SUCCESS:
        raise PortmapperError(f"the daemon refused the request: {_detail(document) or status}")
    return document


def _detail(problem: object) -> str:
    """Return what a problem document says."""
    return str(problem.get("detail", "")) if isinstance(problem, dict) else ""


def is_running(directory: Path | str) -> bool:
    """Return whether a daemon listens for that state directory."""
    try:
        connection, _ = _connect(directory, ANSWER_LIMIT)
    except (OSError, ValueError):
        return False
    connection.close()
    return True


def _connect(directory: Path | str, limit: float) -> tuple[socket.socket, str]:
    """Return a connection, and the header lines that authorize a request on it."""
    if loopback.NEEDED or os.path.exists(os.path.join(directory, PORT_FILE)):
        control = loopback.read(directory)
        connection = socket.create_connection((LOOPBACK, control.port), limit)
        return connection, f"Authorization: {control.authorization}\r\n"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(limit)
        with short_address(directory) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection, ""


def _request(method: str, path: str, headers: str, content: bytes) -> bytes:
    """Encode a request as HTTP/1.0, so that the end of the connection ends the answer."""
    target = path if path.startswith("/") else f"/{VERSION}/{path}"
    head = (
        f"{method} {target} HTTP/1.0\r\nHost: localhost\r\n{headers}"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _parse(answer: bytes) -> tuple[int, Any]:
    """Return status and document. Raises `ValueError` for an incomplete or foreign answer."""
    head, _, content = answer.partition(b"\r\n\r\n")
    version, _, rest = head.partition(b" ")
    if not version.startswith(b"HTTP/1."):
        raise ValueError("the answer is not HTTP")
    return int(rest[:3]), json.loads(content)
