"""Read a file descriptor to its end, up to the maximum size of a document."""

from __future__ import annotations

import os

from portmapper.api import MAX_DOCUMENT, SourceError

_CHUNK = 1024 * 1024


def read_all(descriptor: int) -> bytes:
    """Return the complete content.

    Raises:
        SourceError: the content is larger than a document may be.
        OSError: the descriptor cannot be read.
    """
    # os.read, because a thread that is blocked in sys.stdin would prevent a clean exit.
    chunks, size = [], 0
    while chunk := os.read(descriptor, _CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_DOCUMENT:
            raise SourceError(f"larger than {MAX_DOCUMENT // 2**20} MiB")
    return b"".join(chunks)
