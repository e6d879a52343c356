"""Unix socket of the daemon's API, in the state directory."""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOCKET_NAME = "control.sock"
VERSION = "v1"
"""First part of every path; it changes if the meaning of an answer changes."""


@contextlib.contextmanager
def short_address(directory: Path | str, name: str = SOCKET_NAME) -> Iterator[str]:
    """Yield a short address of the socket in a directory.

    A Unix socket's address has at most 107 bytes, and a path may be longer. On Linux, an address through
    `/proc/self/fd` is always short; it is valid while the directory is open.
    """
    if not os.path.exists("/proc/self/fd"):
        yield os.path.join(directory, name)
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
