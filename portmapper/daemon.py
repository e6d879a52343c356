"""The life of one run: read the sources, keep their mappings open, stop in order."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager

import attrs

from portmapper.backend import Backend
from portmapper.clock import Clock
from portmapper.events import Observer
from portmapper.journal import Journal
from portmapper.model import ConflictPolicy, Mapping, MappingKey
from portmapper.network_watch import watching
from portmapper.scheduler import Options, Scheduler
from portmapper.sources import Reading, SourceReader, SourceState, read_first, warn_of_rejected
from portmapper.status import Document, status_document
from portmapper.store import Store

RELEASE_LIMIT = 10.0
"""Seconds that closing ports on exit may take."""

NEWS_PAUSE = 0.05
"""Seconds that a burst of changes to a source may last before it is read."""

_log = logging.getLogger(__name__)


@attrs.frozen
class RunOptions:
    """What a run was asked to do.

    Attributes:
        interval: seconds between two looks at sources, network and gateways.
        oneshot: one pass, then exit.
        close_on_exit: release on exit what this run opened.
        conflict: policy of mappings that name none.
        chosen: gateways that the user named.
        allowed: backends that may open ports; empty is every one.
    """

    interval: float = 60.0
    oneshot: bool = False
    close_on_exit: bool = False
    conflict: ConflictPolicy = ConflictPolicy.OWN
    chosen: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


Screen = Callable[[Callable[[], Document]], Coroutine[None, None, None]]
"""Shows the status document, again and again, until it is cancelled."""


class Daemon:
    """One run, from startup to shutdown.

    Attributes:
        document: the status document as it was when the run ended.
    """

    def __init__(
        self,
        options: RunOptions,
        backends: Sequence[Backend],
        readers: Sequence[SourceReader],
        store: Store,
        observers: Sequence[type[Observer]] = (),
        screen: Screen | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Raises:
            UsageError: a named gateway is none.
        """
        self.document: Document = {}
        self._options = options
        self._readers = readers
        self._screen = screen
        self._clock = Clock()
        self._started_at = self._clock.now().replace(microsecond=0)
        self._readings: list[Reading] = []
        self._journal = Journal(store, [observer() for observer in observers])
        self._scheduler = Scheduler(backends, store, self._journal.publish, self._scheduler_options())
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()

    async def run(self) -> None:
        """Run to the end.

        Raises:
            SourceError: a source cannot be read or parsed at start.
        """
        with self._signals():
            try:
                self._readings = await read_first(self._readers)
                self._journal.start()
                await (self._one_pass() if self._options.oneshot else self._keep_open())
            finally:
                self.document = self.status()
                await self._shut_down()

    def stop(self) -> None:
        """End the run in order."""
        self._stop.set()

    def status(self) -> Document:
        """Return the status document as it is now."""
        return status_document(self._scheduler, self._readings, self._started_at, self._clock)

    # Startup

    def _scheduler_options(self) -> Options:
        options = self._options
        return Options(
            conflict=options.conflict,
            interval=options.interval,
            chosen=options.chosen,
            allowed=options.allowed or None,
            scope={reader.location for reader in self._readers} if options.oneshot else None,
            watch=not options.oneshot,
        )

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop in order, a second SIGINT by force; SIGHUP reads again."""
        loop = asyncio.get_running_loop()
        handlers: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self._interrupted,
        }
        if sys.platform != "win32":
            handlers[signal.SIGHUP] = self._reload.set
        before = {number: signal.getsignal(number) for number in handlers}
        for number, handler in handlers.items():
            if sys.platform == "win32":
                signal.signal(number, lambda *_, handler=handler: loop.call_soon_threadsafe(handler))
            else:
                loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number, handler_before in before.items():
                if sys.platform != "win32":
                    loop.remove_signal_handler(number)
                signal.signal(number, handler_before)

    def _interrupted(self) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
        self.stop()

    # One pass

    async def _one_pass(self) -> None:
        """Open everything once. The scheduler runs beside, for retries are not awaited."""
        self._scheduler.set_wanted(self._wanted())
        stopped = asyncio.create_task(self._stop.wait())
        settled = asyncio.create_task(self._scheduler.settled())
        await asyncio.wait([stopped, settled], return_when=asyncio.FIRST_COMPLETED)
        for task in (stopped, settled):
            task.cancel()
        await asyncio.gather(stopped, settled, return_exceptions=True)

    # The main loop

    async def _keep_open(self) -> None:
        for reader in self._readers:
            await reader.watch(self._reload.set)
        self._scheduler.set_wanted(self._wanted())
        async with watching(self._network_changed), asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._scheduler.run()), tasks.create_task(self._reread())]
            if self._screen is not None:
                running.append(tasks.create_task(self._screen(self.status)))
            _log.info("keeping %d mapping(s) open", len(self._scheduler.entries))
            await self._stop.wait()
            for task in running:
                task.cancel()

    async def _reread(self) -> None:
        """Read the sources when one changed, on SIGHUP, and once an interval."""
        while True:
            asked = await self._clock.wait(self._reload, self._options.interval)
            await asyncio.sleep(NEWS_PAUSE if asked else 0)
            self._reload.clear()
            readings = list(await asyncio.gather(*(reader.read() for reader in self._readers)))
            if any(new is not old for new, old in zip(readings, self._readings, strict=True)):
                _tell_of_changes(self._readings, readings)
                self._readings = readings
                self._scheduler.set_wanted(self._wanted())

    def _network_changed(self) -> None:
        self._network_task = asyncio.create_task(self._scheduler.network_changed())

    def _wanted(self) -> list[Mapping]:
        """Return the mappings of all sources; of two the same, the first source's."""
        wanted: dict[MappingKey, Mapping] = {}
        for reading in self._readings:
            for mapping in reading.mappings:
                wanted.setdefault(mapping.key, mapping)
        return list(wanted.values())

    # Shutdown

    async def _shut_down(self) -> None:
        for reader in self._readers:
            await reader.close()
        if self._options.close_on_exit:
            await self._close_ports()
        await self._scheduler.close()
        await self._journal.close()

    async def _close_ports(self) -> None:
        try:
            async with asyncio.timeout(RELEASE_LIMIT):
                await self._scheduler.release_all()
        except TimeoutError:
            _log.warning("not every port could be closed within %.0f s", RELEASE_LIMIT)


def _tell_of_changes(before: Sequence[Reading], now: Sequence[Reading]) -> None:
    """Log what became of each source that is not as it was."""
    for old, new in zip(before, now, strict=True):
        if new is old:
            continue
        if new.state is SourceState.STALE:
            _log.warning("%s: %s; its last good list is kept", new.location, new.error)
        else:
            _log.info("%s: read again, %d mapping(s)", new.location, len(new.mappings))
            warn_of_rejected(new)
