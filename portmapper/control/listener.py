"""The listening socket of the control API: created before anything else, and again if it was removed."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from portmapper.control import loopback
from portmapper.control.loopback import PORT_FILE, ControlPort
from portmapper.control.unix_socket import SOCKET_NAME, short_address


class ControlListener:
    """A listening Unix socket, or loopback port, in a state directory.

    Clients can connect as soon as it is open; they wait until `serve` answers.

    Attributes:
        path: the socket, or the file that names the loopback port.
        socket: the listening socket; None while there is none.
        port: the loopback port with its token; None for a Unix socket.
    """

    def __init__(self, directory: Path, *, on_loopback: bool = loopback.NEEDED) -> None:
        self.path = directory / (PORT_FILE if on_loopback else SOCKET_NAME)
        self.socket: socket.socket | None = None
        self.port: ControlPort | None = None
        self._on_loopback = on_loopback
        self._file: tuple[int, int] | None = None

    def open(self) -> None:
        """Listen, in place of what a crash left behind.

        Raises:
            OSError: the directory cannot be written, or no descriptor is left.
        """
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        if self._on_loopback:
            self.socket, self.port = loopback.listen(self.path.parent)
        else:
            self.socket = _listen(self.path.parent)
        self._file = _identity(self.path)

    @property
    def was_removed(self) -> bool:
        """Whether clients cannot find a socket. If another process put its own there, leave it alone."""
        return _identity(self.path) is None or self.path.is_dir()

    def close(self) -> None:
        """Close the socket, and remove its file if it is still ours."""
        if self.socket is None:
            return
        self.socket.close()
        self.socket = None
        if _identity(self.path) == self._file:
            with contextlib.suppress(OSError):
                self.path.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _listen(directory: Path) -> socket.socket:
    """Return a listening socket that only its owner may open; replace one that a crash left behind.

    The socket gets its final name only once it listens, so no client that finds it is refused.
    """
    temporary = directory / f"{SOCKET_NAME}.new"
    temporary.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask_before = os.umask(0o177)
    try:
        with short_address(directory, temporary.name) as address:
            listener.bind(address)
        listener.listen()
        temporary.replace(directory / SOCKET_NAME)
    except BaseException:
        listener.close()
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.umask(umask_before)
    return listener
