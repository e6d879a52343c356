"""A small JSON file in the state directory that only its owner can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from portmapper.api.errors import PortmapperError
from portmapper.support.private_json import write_private
from portmapper.support.safe_open import read_limited

MAX_SIZE = 1024 * 1024


class PrivateFile:
    """A list of entries in a file. Each read checks whether another process has replaced it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._entries: list[Any] = []

    def read(self) -> list[Any]:
        """Return the entries; none if there is no file.

        Raises:
            PortmapperError: the file cannot be read, or is damaged.
        """
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._entries = _entries(self._path)
                self._seen = seen
        except FileNotFoundError:
            self._entries, self._seen = [], None
        except OSError as error:
            raise PortmapperError(f"cannot read {self._path}: {error.strerror}") from error
        except ValueError as error:
            advice = "remove the file, and create new tokens"
            raise PortmapperError(f"{self._path} is damaged: {advice}") from error
        return self._entries

    def write(self, entries: list[Any]) -> None:
        """Replace the file; no reader sees half of it.

        Raises:
            PortmapperError: the directory cannot be written.
        """
        try:
            write_private(self._path, entries)
        except OSError as error:
            raise PortmapperError(f"cannot write {self._path}: {error.strerror}") from error


def _entries(path: Path) -> list[Any]:
    entries = json.loads(read_limited(path, MAX_SIZE))
    if not isinstance(entries, list):
        raise ValueError("not a list")
    return entries
