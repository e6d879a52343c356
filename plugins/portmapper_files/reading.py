"""Reads a file descriptor to its end, or to the bound."""

from __future__ import annotations

import os

from portmapper.api import MAX_DOCUMENT, SourceError

_CHUNK = 1024 * 1024


def read_all(descriptor: int) -> bytes:
    """Read everything. `os.read`, because a thread stuck inside `sys.stdin` would break the exit.

    Raises:
        SourceError: there is more than a document may have.
        OSError: it cannot be read.
    """
    chunks, size = [], 0
    while chunk := os.read(descriptor, _CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_DOCUMENT:
            raise SourceError(f"larger than {MAX_DOCUMENT // 2**20} MiB")
    return b"".join(chunks)
