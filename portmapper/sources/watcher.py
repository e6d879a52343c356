"""Reads the sources of a daemon again: on a change, on reload, and once per interval."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from portmapper.api.reading import Reading, SourceState
from portmapper.sources.reader import SourceReader, read_first, warn_of_rejected
from portmapper.sources.sudden_drop import DropGuard
from portmapper.support.clock import Clock
from portmapper.support.text import plural

SETTLING = 0.05
"""Seconds without another change after which a burst of changes is over."""

LONGEST_BURST = 10
"""Times to wait for the end of a burst."""

_log = logging.getLogger(__name__)


class SourceWatcher:
    """The sources of one daemon and their last readings."""

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
            readers: one per source, in the user's order.
            interval: maximum seconds between two reads of a source.
            clock: the clock for the interval.
            changed: called when the desired mappings may have changed.
            reloaded: called when every source that `reload` requested has been read.
        """
        self._interval = interval
        self._sources = [_WatchedSource(reader, interval) for reader in readers]
        self._clock = clock
        self._changed = changed
        self._reloaded = reloaded
        self._to_reload: set[_WatchedSource] = set()
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def readings(self) -> list[Reading]:
        """The last reading of each source, in the user's order."""
        return [source.reading for source in self._sources]

    @property
    def next_read(self) -> float | None:
        """When the next source is read again, on the monotonic clock; None while none waits."""
        return min((source.due for source in self._sources if source.due is not None), default=None)

    async def read_first(self, all_required: bool = True, unattended: bool = False) -> None:
        """Read every source for the first time.

        Raises:
            SourceError: a source cannot be read or parsed, and it is required.
        """
        readers = [source.reader for source in self._sources]
        await read_first(readers, all_required=all_required, unattended=unattended)
        self.use_last_readings()

    def use_last_readings(self) -> None:
        """Use the last reading of each source; none is held back."""
        for source in self._sources:
            source.reading = source.reader.reading

    async def run(self) -> None:
        """Watch the sources and read them again, until canceled."""
        async with asyncio.TaskGroup() as self._tasks:
            for source in self._sources:
                self._start(source, self._tasks)
            await asyncio.Event().wait()

    def reload(self, readers: Sequence[SourceReader]) -> None:
        """Replace the readers and read all sources now; stop watching sources that are gone."""
        before = {source.reader: source for source in self._sources}
        self._sources = [before.get(reader) or _WatchedSource(reader, self._interval) for reader in readers]
        self._to_reload = set(self._sources)
        for source in self._sources:
            source.wake_up.set()
            if self._tasks is not None and source.task is None:
                self._start(source, self._tasks)
        gone = set(before.values()) - set(self._sources)
        for source in gone:
            self._stop(source)
        if gone:
            self._changed()
        if not self._sources:
            self._reloaded()

    async def close(self) -> None:
        """Stop watching, and close all sources."""
        for source in self._sources:
            await source.reader.close()

    def _start(self, source: _WatchedSource, tasks: asyncio.TaskGroup) -> None:
        source.task = tasks.create_task(self._reread(source))

    def _stop(self, source: _WatchedSource) -> None:
        if source.task is not None and self._tasks is not None:
            source.task.cancel()
            self._tasks.create_task(source.reader.close())

    async def _reread(self, source: _WatchedSource) -> None:
        """Read one source after each change and interval. A slow source delays no other."""
        await source.reader.watch(source.wake_up.set)
        while True:
            held = source.guard.remaining(self._clock.monotonic())
            seconds = self._interval if held is None else held
            source.due = self._clock.monotonic() + seconds
            is_change = await self._clock.wait(source.wake_up, seconds)
            added = await self._read_additions(source, is_change)
            is_reload = source in self._to_reload
            read = await source.reader.read() if added is None or is_reload else added
            reading = source.guard.choose(source.reading, read, self._clock.monotonic(), at_once=is_reload)
            if reading is not source.reading:
                source.reading = reading
                _log_reading(reading)
                self._changed()
            if is_reload:
                self._mark_reloaded(source)
            await asyncio.sleep(SETTLING if is_change else 0)

    async def _read_additions(self, source: _WatchedSource, is_change: bool) -> Reading | None:
        """After a change, return the reading if mappings were only added; else wait until it may be read.

        Anything else may close ports which the next change, of the same writer, opens again.
        """
        source.wake_up.clear()
        if not is_change or source in self._to_reload:
            return None
        added = await source.reader.read_additions()
        if added is None:
            await _end_of_burst(source.wake_up)
        return added

    def _mark_reloaded(self, source: _WatchedSource) -> None:
        self._to_reload.discard(source)
        if not self._to_reload:
            self._reloaded()


async def _end_of_burst(changed: asyncio.Event) -> None:
    for _ in range(LONGEST_BURST):
        changed.clear()
        await asyncio.sleep(SETTLING)
        if not changed.is_set():
            return


class _WatchedSource:
    """One source and its last reading."""

    def __init__(self, reader: SourceReader, interval: float) -> None:
        self.reader = reader
        self.guard = DropGuard(reader.keep_share, interval)
        self.reading = reader.reading
        self.due: float | None = None
        self.wake_up = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


def _log_reading(reading: Reading) -> None:
    """Log the new state of a source."""
    if reading.state is SourceState.STALE:
        _log.warning("%s: %s; its last good list is kept", reading.location, reading.error)
    elif reading.state is SourceState.FAILED:
        _log.warning("%s: %s", reading.location, reading.error)
    else:
        count = plural(len(reading.mappings), "mapping")
        _log.info("%s: reloaded, %s", reading.location, count)
        warn_of_rejected(reading)
