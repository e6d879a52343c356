"""A file as a source."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from portmapper.api import Document, Source, SourceError
from portmapper.support.threads import in_thread
from portmapper_files.reading import read_all
from portmapper_files.watching import Watcher, start_watching


class FileSource(Source):
    """A path. It is made absolute at once, since a daemon leaves its directory; symlinks stay as they are."""

    name = "file"

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self._path = os.path.abspath(location)
        self._kept: Document | None = None
        self._watcher: Watcher | None = None

    @classmethod
    def claims(cls, location: str) -> bool:
        """Claim whatever is no URL; so it has to be asked last."""
        return bool(location) and "://" not in location

    async def fetch(self) -> Document:
        """Read the file as it is now; a pipe (`<(…)`, a FIFO) is read once and kept."""
        if self._kept is not None:
            return self._kept
        if self._watcher is not None:
            # A directory further up may have been replaced unseen.
            self._watcher.arm()
        try:
            return await self._read()
        except OSError as error:
            raise SourceError(_reason(error)) from None
        except ValueError:
            raise SourceError("not a file name: it holds a NUL character") from None

    async def watch(self, changed: Callable[[], None]) -> None:
        """Notice edits, also by replacement and through symlinks."""
        if self._watcher is None:
            self._watcher = start_watching(self._path, changed)

    async def close(self) -> None:
        """Stop watching."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    async def _read(self) -> Document:
        mode = os.stat(self._path).st_mode
        if stat.S_ISDIR(mode):
            raise SourceError("is a directory, not a file")
        if stat.S_ISSOCK(mode) or stat.S_ISBLK(mode):
            raise SourceError("is not a regular file")
        suffix = Path(self._path).suffix.lower()
        if stat.S_ISREG(mode):
            return Document(_read_path(self._path), suffix=suffix)
        # Opening a pipe waits for its writer, and what was read is gone.
        self._kept = Document(await in_thread(lambda: _read_path(self._path)), suffix=suffix)
        return self._kept


def _read_path(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
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
