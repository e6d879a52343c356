"""Where the daemon's API is found on systems without Unix sockets, such as Windows: a loopback port.

Everybody on the host can connect to it, so a file in the state directory, for its owner's eyes only,
names the port and the token that each request has to bring.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import attrs

PORT_FILE = "control.json"
LOOPBACK = "127.0.0.1"
NEEDED = not hasattr(socket, "AF_UNIX")


@attrs.frozen
class ControlPort:
    """A port and what opens it."""

    port: int
    token: str = attrs.field(repr=False)

    @property
    def authorization(self) -> str:
        """The header of that name, as a request brings it."""
        return f"Bearer {self.token}"

    def admits(self, authorization: str) -> bool:
        """Tell whether a request's header is right, in a time that says nothing of how wrong it is."""
        import secrets

        brought = authorization.encode("utf-8", "surrogateescape")  # as aiohttp decoded it
        return secrets.compare_digest(brought, self.authorization.encode())


def listen(directory: Path) -> tuple[socket.socket, ControlPort]:
    """Listen on a free port, and write the file that names it.

    Raises:
        OSError: there is no port, or the directory cannot be written.
    """
    import secrets  # loads OpenSSL, which `status` has no use for

    listener = socket.create_server((LOOPBACK, 0))
    try:
        control = ControlPort(listener.getsockname()[1], secrets.token_urlsafe(32))
        _write(directory, control)
    except BaseException:
        listener.close()
        raise
    return listener, control


def read(directory: Path) -> ControlPort:
    """Read where the daemon of that directory listens.

    Raises:
        OSError: no such file, so most likely no daemon.
        ValueError: it is none of ours.
    """
    document = json.loads((directory / PORT_FILE).read_bytes())
    if not isinstance(document, dict):
        raise ValueError(f"{PORT_FILE} is not an object")
    port, token = document.get("port"), document.get("token")
    if not (isinstance(port, int) and 0 < port < 65536 and isinstance(token, str) and token.isascii()):
        raise ValueError(f"{PORT_FILE} names no port and token")
    return ControlPort(port, token)


def _write(directory: Path, control: ControlPort) -> None:
    """Write it aside and move it there: a reader sees the whole file or none."""
    aside = directory / f"{PORT_FILE}.new"
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump(attrs.asdict(control), file)
    os.replace(aside, directory / PORT_FILE)
