"""Loopback port of the daemon's API, for systems without Unix sockets, such as Windows.

Every user of the host can connect to the port. Therefore each request needs a token. A file in the state
directory, which only its owner can read, contains the port and the token.

`status` imports this module on every system, so it imports no attrs, no typing, and nothing that only the
daemon needs.
"""

from __future__ import annotations

import json
import os
import socket

from portmapper.support.safe_open import read_limited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

PORT_FILE = "control.json"
MAX_SIZE = 4096
LOOPBACK = "127.0.0.1"
NEEDED = not hasattr(socket, "AF_UNIX")


class ControlPort:
    """The loopback port and the token that authorizes requests."""

    __slots__ = ("port", "token")

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.token = token

    def __repr__(self) -> str:
        """Omit the token, which must not get into a log."""
        return f"ControlPort(port={self.port})"

    @property
    def authorization(self) -> str:
        """The value of the `Authorization` header."""
        return f"Bearer {self.token}"

    def authorizes(self, authorization: str) -> bool:
        """Return whether a request's `Authorization` header is valid, in constant time."""
        import secrets

        received = authorization.encode("utf-8", "surrogateescape")  # aiohttp decodes headers this way
        return secrets.compare_digest(received, self.authorization.encode())


def listen(directory: Path) -> tuple[socket.socket, ControlPort]:
    """Listen on a free port, and write the file that names it.

    Raises:
        OSError: no port is free, or the file cannot be written.
    """
    import secrets  # loads OpenSSL, which `status` does not need

    listener = socket.create_server((LOOPBACK, 0))
    try:
        control = ControlPort(listener.getsockname()[1], secrets.token_urlsafe(32))
        _write(directory, control)
    except BaseException:
        listener.close()
        raise
    return listener, control


def read(directory: Path | str) -> ControlPort:
    """Read the port and the token of the daemon that uses a state directory.

    Raises:
        OSError: the file does not exist, so most likely no daemon runs.
        ValueError: the file is invalid.
    """
    document = json.loads(read_limited(os.path.join(directory, PORT_FILE), MAX_SIZE))
    if not isinstance(document, dict):
        raise ValueError(f"{PORT_FILE} is not an object")
    port, token = document.get("port"), document.get("token")
    if not (isinstance(port, int) and 0 < port < 65536 and isinstance(token, str) and token.isascii()):
        raise ValueError(f"{PORT_FILE} has no valid port and token")
    return ControlPort(port, token)


def _write(directory: Path, control: ControlPort) -> None:
    """Write the file under another name and rename it, so that no reader sees half of it."""
    from portmapper.support.busy_files import replace
    from portmapper.support.owner_only import restrict_to_owner

    temporary = directory / f"{PORT_FILE}.new"
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        restrict_to_owner(temporary)
        json.dump({"port": control.port, "token": control.token}, file)
    replace(temporary, directory / PORT_FILE)
