"""Where the daemon's API is found: a Unix socket in the state directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

SOCKET_NAME = "control.sock"
VERSION = "v1"
"""First part of every path; another one when an answer changes its meaning."""


@contextlib.contextmanager
def short_address(directory: Path, name: str = SOCKET_NAME) -> Iterator[str]:
    """Give the socket's address while the directory is held open.

    An address holds 107 bytes and a path may be longer; one through Linux's `/proc/self/fd` is short.
    """
    if not Path("/proc/self/fd").exists():
        yield str(directory / name)
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
