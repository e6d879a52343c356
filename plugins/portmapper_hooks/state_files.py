"""Observer that keeps the files of the table `[files]` up to date: the status, and the open ports."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

from portmapper.api import Event, Observer, ReadsStatus, structure
from portmapper.support.safe_open import open_regular
from portmapper.support.threads import in_thread
from portmapper.support.values import frozen

PAUSE = 1.0
"""Seconds between two writes: a list of many rows opens in many events."""

RETRY_SECONDS = 15.0
MODE = 0o644

_log = logging.getLogger(__name__)


@frozen
class FilesSettings:
    """The table `[files]`.

    Attributes:
        status: file for the status document, as JSON.
        port: file for the open external ports, one on each line.
    """

    status: Path | None = None
    port: Path | None = None


class FilesObserver(Observer, ReadsStatus):
    """Writes each file after a change, atomically: a reader sees the old or the new contents."""

    name = "files"
    table = "files"
    end_limit: ClassVar[float] = 3.0

    def __init__(self, settings: FilesSettings) -> None:
        self._settings = settings
        self._status: Callable[[], dict[str, Any]] = dict
        self._changed = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._logged: dict[Path, str] = {}

    @classmethod
    def from_table(cls, value: object) -> Self | None:
        """Return an observer for the table `[files]`, or None without one."""
        return cls(structure(FilesSettings, value, (cls.table,))) if value is not None else None

    def attach_status(self, status: Callable[[], dict[str, Any]]) -> None:
        """Set the function that returns the status document."""
        self._status = status

    async def start(self) -> None:
        """Write the files, so that a port of an earlier run does not stay in them."""
        self._changed.set()
        self._writer = asyncio.create_task(self._keep_writing())

    async def observe(self, event: Event) -> None:
        """Write the files soon."""
        self._changed.set()

    async def close(self) -> None:
        """Write the files a last time."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
            await self._write()

    async def _keep_writing(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS if self._logged else None):
                    await self._changed.wait()
            self._changed.clear()
            await self._write()
            await asyncio.sleep(PAUSE)

    async def _write(self) -> None:
        document = self._status()
        texts = {self._settings.status: json.dumps(document, default=str) + "\n"}
        texts[self._settings.port] = "".join(f"{port}\n" for port in open_ports(document))
        for path, text in texts.items():
            if path is not None:
                await self._replace(path, text)

    async def _replace(self, path: Path, text: str) -> None:
        try:
            await in_thread(partial(replace_file, path, text))
        except OSError as error:
            reason = error.strerror or str(error)
            if self._logged.get(path) != reason:
                _log.warning("%s is not up to date: %s. portmapper tries again", path, reason)
            self._logged[path] = reason
        else:
            self._logged.pop(path, None)


def open_ports(document: dict[str, Any]) -> list[int]:
    """Return the external ports of the open mappings, each once, in the order of the status."""
    ports = (row["external_port"] for row in document.get("mappings", ()) if row["state"] == "active")
    return list(dict.fromkeys(port for port in ports if port))


def replace_file(path: Path, text: str) -> None:
    """Replace a file in one step. A link at its place is replaced, and not followed.

    Raises:
        OSError: the file cannot be written, or every user can write its directory.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with open(open_regular(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "w", encoding="utf-8") as file:
        file.write(text)
    try:
        new.replace(path)
    except OSError:
        new.unlink()
        raise
