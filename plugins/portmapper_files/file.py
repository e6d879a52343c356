"""The `file` source."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from portmapper.api import Document, Source, SourceError
from portmapper.support.threads import in_thread
from portmapper_files.bounded_read import read_all
from portmapper_files.file_state import State, file_state

if TYPE_CHECKING:
    from portmapper_files.watcher import Watcher

# A file that just became a pipe must not block the event loop.
_NONBLOCKING = getattr(os, "O_NONBLOCK", 0)

_LOOK_AGAIN = 0.01
"""Seconds between two looks whether the writer is done."""

_WRITER_LIMIT = 30.0
"""Seconds to wait for a writer."""


class FileSource(Source):
    """A path, made absolute at once because a daemon changes its directory; symlinks are not resolved."""

    name = "file"
    is_path = True
    is_trusted = True

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self._path = os.path.abspath(location)
        self._kept: Document | None = None
        self._seen: State | None = None
        self._watcher: Watcher | None = None

    @classmethod
    def claims(cls, location: str) -> bool:
        """Claim every location that is no URL; therefore this source must be the last one queried."""
        return bool(location) and "://" not in location

    async def fetch(self) -> Document:
        """Read the current content; a pipe (`<(…)`, a FIFO) is read once and its content kept."""
        if self._kept is not None and not _is_file(self._path):
            return self._kept
        self._kept = None
        if self._watcher is not None:
            # A parent directory may have been replaced without an event.
            self._watcher.arm()
        try:
            return await self._read_complete()
        except OSError as error:
            raise SourceError(_reason(error)) from None
        except ValueError:
            raise SourceError("not a file name: it contains a NUL character") from None

    async def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` after edits, including replacement of the file and changes of symlinks."""
        if self._watcher is None:
            from portmapper_files.watcher import start_watching  # a single pass never watches

            self._watcher = start_watching(self._path, changed, None if self._kept else self._seen)

    async def close(self) -> None:
        """Stop watching."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    async def _read_complete(self) -> Document:
        """Read when no writer is in the middle of the file; again if one wrote meanwhile."""
        import asyncio

        for _ in range(int(_WRITER_LIMIT / _LOOK_AGAIN)):
            if (version := self._version()) is not None:
                document = await self._read()
                if self._kept is not None or self._version() == version:
                    return document
            await asyncio.sleep(_LOOK_AGAIN)
        raise SourceError("is still being written")

    def _version(self) -> object:
        return "unwatched" if self._watcher is None else self._watcher.version()

    async def _read(self) -> Document:
        self._seen = file_state(self._path)
        mode = os.stat(self._path).st_mode
        if stat.S_ISDIR(mode):
            raise SourceError("is a directory, not a file")
        if stat.S_ISSOCK(mode) or stat.S_ISBLK(mode):
            raise SourceError("is not a regular file")
        suffix = Path(self._path).suffix.lower()
        if stat.S_ISREG(mode):
            return Document(_read_path(self._path, _NONBLOCKING), suffix=suffix)
        # The content of a pipe or a device can be read only once.
        if stat.S_ISFIFO(mode):
            from portmapper_files.pipe import read_pipe  # few lists are pipes

            content = await read_pipe(self._path)
        else:
            content = await in_thread(lambda: _read_path(self._path))
        if content is None:
            return await self._read()
        self._kept = Document(content, suffix=suffix)
        return self._kept


def _is_file(path: str) -> bool:
    return os.path.isfile(path)


def _read_path(path: str, flags: int = 0) -> bytes:
    flags |= os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags)
    try:
        return read_all(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "permission denied"
    return f"cannot be read: {error.strerror or error}"
