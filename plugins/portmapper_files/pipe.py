"""Reads a named pipe without blocking a thread, and notices when its name leads to something else."""

from __future__ import annotations

import asyncio
import logging
import os

from portmapper.api import MAX_DOCUMENT, SourceError

_CHUNK = 64 * 1024
_CHECK_SECONDS = 0.5

CHECKS_IN_SILENCE = 6
"""Checks without a writer until a line says why nothing happens: a forgotten pipe looks like a hang."""

_log = logging.getLogger(__name__)


async def read_pipe(path: str) -> bytes | None:
    """Wait for a writer and return everything up to its end; None if the path leads elsewhere meanwhile.

    Raises:
        SourceError: the content is larger than a document may be.
        OSError: the pipe cannot be read.
    """
    # Nonblocking: otherwise opening waits for a writer, and a pipe that became a file would never be noticed.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    content, checks = bytearray(), 0
    try:
        while True:
            while not await _is_readable(descriptor):
                checks += 1
                if checks == CHECKS_IN_SILENCE:
                    _log.warning("%s is a pipe: waiting for a program that writes the list", path)
                if not _leads_to(path, descriptor):
                    return None
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                return bytes(content)
            content += chunk
            if len(content) > MAX_DOCUMENT:
                raise SourceError(f"larger than {MAX_DOCUMENT // 2**20} MiB")
    finally:
        os.close(descriptor)


async def _is_readable(descriptor: int) -> bool:
    """Wait for content or the end of the last writer, and return whether there is any."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await readable.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
    return True


def _leads_to(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False
