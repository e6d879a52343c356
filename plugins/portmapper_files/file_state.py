"""What changes with each write to a file."""

from __future__ import annotations

import os

State = tuple[int, ...]


def file_state(path: str) -> State | None:
    """Return the identity, time and size of a file; None if it cannot be found."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
