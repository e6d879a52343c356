"""Waits for the removal of files. With inotify, an idle process is not woken to look for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path

from portmapper.support.inotify import (
    DELETE,
    DELETE_SELF,
    IGNORED,
    MOVE_SELF,
    MOVED_FROM,
    ONLYDIR,
    Q_OVERFLOW,
    Inotify,
)

SETTLE = 1.0
"""Seconds between a removal and its report: who removes a whole directory must not find a new file in it."""

POLL_INTERVAL = 1.0
"""Seconds between two looks on systems without inotify."""

LOOK_INTERVAL = 300.0
"""Seconds between two looks with inotify, which does not see what another host removes."""


class Removals:
    """Watches the directories of some files."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Watch from the first `wait` on."""
        self._directories = {path.parent for path in paths}
        self._news = asyncio.Event()
        self._inotify: Inotify | None = None

    async def wait(self) -> None:
        """Return when a file may have been removed; the caller looks."""
        is_new = self._inotify is None and self._watch()
        if not is_new:  # before a new watch, anything may have happened
            limit = POLL_INTERVAL if self._inotify is None else LOOK_INTERVAL
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await self._news.wait()
        self._news.clear()

    def wake(self) -> None:
        """Let `wait` return now."""
        self._news.set()

    def close(self) -> None:
        """Stop watching; the next `wait` begins again."""
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fileno())
            self._inotify.close()
            self._inotify = None

    def _watch(self) -> bool:
        """Watch the directories, and return whether that succeeded."""
        removed = DELETE | MOVED_FROM | DELETE_SELF | MOVE_SELF | ONLYDIR
        try:
            self._inotify = Inotify()
            asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._read)
            for directory in self._directories:
                self._inotify.add_watch(directory, removed)
        except OSError:  # another system, a missing directory, or the user's limit of watches is reached
            self.close()
            return False
        return True

    def _read(self) -> None:
        assert self._inotify is not None
        if any(event.mask & (IGNORED | MOVE_SELF | Q_OVERFLOW) for event in self._inotify.read()):
            self.close()  # the directory is another one now
        asyncio.get_running_loop().call_later(SETTLE, self._news.set)
