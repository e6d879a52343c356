"""Reads every source of a daemon again: when it changed, on reload, and once an interval."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from portmapper.api.reading import Reading, SourceState
from portmapper.sources.reader import SourceReader, read_first, warn_of_rejected
from portmapper.support.clock import Clock

DEBOUNCE = 0.05
"""Seconds that a burst of changes to a source may last before it is read."""

_log = logging.getLogger(__name__)


class SourceWatcher:
    """The sources of one daemon, as they were last read."""

    def __init__(
        self,
        readers: Sequence[SourceReader],
        interval: float,
        clock: Clock,
        changed: Callable[[], None],
        reloaded: Callable[[], None],
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            readers: one for each source, in the user's order.
            interval: seconds between two reads of a source that tells of no change.
            clock: whose seconds they are.
            changed: called when something else is listed than before.
            reloaded: called when all that `reload` asked for is read.
        """
        self._followed = [_Followed(reader) for reader in readers]
        self._interval = interval
        self._clock = clock
        self._changed = changed
        self._reloaded = reloaded
        self._to_reload: set[_Followed] = set()
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def readings(self) -> list[Reading]:
        """What each source lists, in the user's order."""
        return [followed.reading for followed in self._followed]

    async def read_first(self) -> None:
        """Read every source for the first time.

        Raises:
            SourceError: one cannot be read or parsed at all.
        """
        readings = await read_first([followed.reader for followed in self._followed])
        for followed, reading in zip(self._followed, readings, strict=True):
            followed.reading = reading

    async def run(self) -> None:
        """Read again what changes, until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            for followed in self._followed:
                self._start(followed, self._tasks)
            await asyncio.Event().wait()

    def reload(self, readers: Sequence[SourceReader]) -> None:
        """Read these now, which may be others than before; what is not among them is followed no longer."""
        before = {followed.reader: followed for followed in self._followed}
        self._followed = [before.get(reader) or _Followed(reader) for reader in readers]
        self._to_reload = set(self._followed)
        for followed in self._followed:
            followed.news.set()
            if self._tasks is not None and followed.task is None:
                self._start(followed, self._tasks)
        gone = set(before.values()) - set(self._followed)
        for followed in gone:
            self._stop(followed)
        if gone:
            self._changed()
        if not self._followed:
            self._reloaded()

    async def close(self) -> None:
        """Follow nothing any more."""
        for followed in self._followed:
            await followed.reader.close()

    def _start(self, followed: _Followed, tasks: asyncio.TaskGroup) -> None:
        followed.task = tasks.create_task(self._reread(followed))

    def _stop(self, followed: _Followed) -> None:
        if followed.task is not None and self._tasks is not None:
            followed.task.cancel()
            self._tasks.create_task(followed.reader.close())

    async def _reread(self, followed: _Followed) -> None:
        """Read one source whenever that may bring something new; a slow one delays no other."""
        await followed.reader.watch(followed.news.set)
        while True:
            told = await self._clock.wait(followed.news, self._interval)
            await asyncio.sleep(DEBOUNCE if told else 0)
            followed.news.clear()
            reading = await followed.reader.read()
            if reading is not followed.reading:
                followed.reading = reading
                _tell_of_change(reading)
                self._changed()
            self._note_reload(followed)

    def _note_reload(self, followed: _Followed) -> None:
        if followed in self._to_reload:
            self._to_reload.discard(followed)
            if not self._to_reload:
                self._reloaded()


class _Followed:
    """One source with what it listed last."""

    def __init__(self, reader: SourceReader) -> None:
        self.reader = reader
        self.reading = reader.reading
        self.news = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


def _tell_of_change(reading: Reading) -> None:
    """Log what became of a source that is not as it was."""
    if reading.state is SourceState.STALE:
        _log.warning("%s: %s; its last good list is kept", reading.location, reading.error)
    elif reading.state is SourceState.FAILED:
        _log.warning("%s: %s", reading.location, reading.error)
    else:
        _log.info("%s: read again, %d mapping(s)", reading.location, len(reading.mappings))
        warn_of_rejected(reading)
