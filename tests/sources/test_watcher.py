"""The sources of a daemon are read again on a change, on reload and once per interval."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence

import attrs
import pytest

from portmapper.api.errors import SourceError
from portmapper.api.reading import SourceState
from portmapper.api.source import Document, FormatOptions, Row, Source
from portmapper.sources.reader import SourceReader
from portmapper.sources.watcher import LONGEST_BURST, SETTLING, SourceWatcher
from portmapper.testing.clock import FakeClock

INTERVAL = 60.0


class Memory(Source):
    """A source whose rows the test sets, and which can report a change."""

    name = "memory"

    def __init__(self, location: str, *ports: int) -> None:
        super().__init__(location)
        self.ports: Sequence[int] | SourceError = ports
        self.fetched = 0
        self.closed = False
        self.changed: Callable[[], None] = lambda: None

    @classmethod
    def claims(cls, location: str) -> bool:
        """Return False: the tests create it themselves."""
        return False

    async def fetch(self) -> Document | Sequence[Row]:
        """Return a row per port, or raise the error."""
        self.fetched += 1
        if isinstance(self.ports, SourceError):
            raise self.ports
        return [
            Row({"port": port, "protocol": "tcp"}, f"[{n}]", f"[{n}].{{}}")
            for n, port in enumerate(self.ports)
        ]

    async def watch(self, changed: Callable[[], None]) -> None:
        """Keep the function that reports a change."""
        self.changed = changed

    async def close(self) -> None:
        """Remember the call."""
        self.closed = True


def reader_of(source: Source) -> SourceReader:
    """Return a reader of the source."""
    return SourceReader(source, (), "auto", FormatOptions())


@attrs.define
class Running:
    """A watcher with two sources, and the number of calls of its callbacks."""

    clock: FakeClock
    first: Memory = attrs.field(factory=lambda: Memory("first", 80))
    second: Memory = attrs.field(factory=lambda: Memory("second", 443))
    changes: int = 0
    reloads: int = 0
    readers: list[SourceReader] = attrs.field(init=False)
    watcher: SourceWatcher = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.readers = [reader_of(self.first), reader_of(self.second)]
        self.watcher = SourceWatcher(self.readers, INTERVAL, self.clock, self._changed, self._reloaded)

    def _changed(self) -> None:
        self.changes += 1

    def _reloaded(self) -> None:
        self.reloads += 1

    def ports(self) -> list[int]:
        """Return the ports of all readings."""
        return [mapping.port for reading in self.watcher.readings for mapping in reading.mappings]


@pytest.fixture
async def running(clock: FakeClock) -> AsyncIterator[Running]:
    """A watcher that runs after the first read."""
    running = Running(clock)
    await running.watcher.read_first()
    task = asyncio.create_task(running.watcher.run())
    await clock.advance(0)
    yield running
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_added_mapping_is_used_at_once(running: Running) -> None:
    """It opens a port and closes none, so the daemon does not wait whether more changes follow."""
    running.first.ports = (80, 81)
    running.first.changed()
    await running.clock.advance(0)
    assert running.ports() == [80, 81, 443]
    assert (running.first.fetched, running.second.fetched, running.changes) == (2, 1, 1)


async def test_many_additions_are_read_together(running: Running) -> None:
    """The first is read at once, and all others when the time of a burst is over."""
    for port in range(81, 91):
        running.first.ports = range(80, port + 1)
        running.first.changed()
        await running.clock.advance(SETTLING / 100)
    await running.clock.advance(SETTLING)
    assert running.ports() == [*range(80, 91), 443]
    assert (running.first.fetched, running.changes) == (3, 2)


@pytest.mark.parametrize("step", [(), (81,), SourceError("no such file")], ids=["empty", "other", "missing"])
async def test_a_step_of_a_writer_is_not_used(
    running: Running, step: Sequence[int] | SourceError, caplog: pytest.LogCaptureFixture
) -> None:
    """A program may empty, replace or rename a list before it writes the rows."""
    running.first.ports = step
    running.first.changed()
    await running.clock.advance(SETTLING / 2)
    running.first.ports = (80, 81)
    running.first.changed()
    await running.clock.advance(SETTLING * 3)
    assert running.ports() == [80, 81, 443]
    assert running.changes == 1
    assert not caplog.messages


async def test_a_removed_mapping_is_closed_when_the_burst_is_over(running: Running) -> None:
    """Each further change prolongs the burst, up to half a second."""
    running.first.ports = ()
    for _ in range(LONGEST_BURST):
        running.first.changed()
        assert running.ports() == [80, 443]
        await running.clock.advance(SETTLING * 0.9)
    await running.clock.advance(SETTLING * 2)
    assert running.ports() == [443]


async def test_a_list_is_not_changed_by_a_failure_within_a_burst(running: Running) -> None:
    """The list that stays in effect is the one before the burst, and not one of its steps."""
    running.first.ports = (81,)
    running.first.changed()
    await running.clock.advance(SETTLING / 2)
    running.first.ports = SourceError("no such file")
    await running.clock.advance(SETTLING * 2)
    assert running.ports() == [80, 443]
    assert running.watcher.readings[0].state is SourceState.STALE


async def test_a_reload_within_a_burst_reads_after_it(running: Running) -> None:
    """It is done when its own read is done."""
    running.first.changed()
    running.first.ports = ()
    await running.clock.advance(SETTLING / 2)
    running.watcher.reload(running.readers)
    await running.clock.advance(SETTLING * 3)
    assert running.ports() == [443]
    assert running.reloads == 1


async def test_an_unchanged_source_is_not_reported(running: Running) -> None:
    """It is still read once per interval."""
    await running.clock.advance(INTERVAL * 3 + 1)
    assert running.first.fetched == 4
    assert running.changes == 0


async def test_a_failing_source_keeps_its_last_valid_list(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """The log reports the failure once, and the recovery with the number of mappings."""
    caplog.set_level(logging.INFO)
    running.first.ports = SourceError("no such file")
    await running.clock.advance(INTERVAL * 3 + 1)
    assert running.watcher.readings[0].state is SourceState.STALE
    assert running.ports() == [80, 443]
    running.first.ports = (80,)
    await running.clock.advance(INTERVAL + 1)
    assert caplog.messages == [
        "first: no such file; its last good list is kept",
        "first: reloaded, 1 mapping",
    ]


async def test_a_reload_reads_every_source_immediately(running: Running) -> None:
    """`reloaded` is called once, when all sources have been read."""
    running.first.ports = (82,)
    running.watcher.reload(running.readers)
    await running.clock.advance(1)
    assert (running.first.fetched, running.second.fetched, running.reloads) == (2, 2, 1)
    assert running.ports() == [82, 443]


async def test_a_reload_replaces_the_sources(running: Running) -> None:
    """A source that is gone is closed and no longer read; a new one is watched."""
    third = Memory("third", 22)
    running.watcher.reload([running.readers[1], reader_of(third)])
    await running.clock.advance(1)
    assert running.ports() == [443, 22]
    assert running.first.closed
    assert running.changes >= 1
    third.ports = (23,)
    third.changed()
    await running.clock.advance(1)
    assert running.ports() == [443, 23]
    assert running.first.fetched == 1


async def test_a_reload_without_sources_is_done_immediately(running: Running) -> None:
    """There is nothing to wait for."""
    running.watcher.reload([])
    assert running.reloads == 1
    assert running.ports() == []


async def test_a_source_that_cannot_be_read_at_the_start_is_an_error(clock: FakeClock) -> None:
    """There is no earlier list that could stay in effect."""
    running = Running(clock, first=Memory("first"))
    running.first.ports = SourceError("no such file")
    with pytest.raises(SourceError, match="first: no such file"):
        await running.watcher.read_first()


async def test_closing_closes_every_source(running: Running) -> None:
    """Their files and connections are freed."""
    await running.watcher.close()
    assert running.first.closed
    assert running.second.closed


async def test_a_sudden_drop_waits_for_one_interval(running: Running) -> None:
    """It takes effect then without another change."""
    running.first.ports = range(80, 100)
    running.first.changed()
    await running.clock.advance(SETTLING * 2)
    running.first.ports = ()
    running.first.changed()
    await running.clock.advance(INTERVAL / 2)
    assert running.ports() == [*range(80, 100), 443]
    assert running.watcher.readings[0].state is SourceState.STALE
    await running.clock.advance(INTERVAL / 2 + 1)
    assert running.ports() == [443]


async def test_a_reload_applies_a_sudden_drop_at_once(running: Running) -> None:
    """The user says that the list is right."""
    running.first.ports = range(80, 100)
    running.first.changed()
    await running.clock.advance(SETTLING * 2)
    running.first.ports = ()
    running.watcher.reload(running.readers)
    await running.clock.advance(SETTLING * 2)
    assert running.ports() == [443]
