"""The life of one run: read the sources, keep their mappings open, stop in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence

import attrs

from portmapper.api.backend import Backend
from portmapper.api.errors import PortmapperError
from portmapper.api.events import Event
from portmapper.api.metrics import MetricsPage, ShowsMetrics
from portmapper.api.model import ConflictPolicy, Mapping, MappingKey, MappingState
from portmapper.daemon.reloadable import Reloadable, Resetting
from portmapper.daemon.requests import Requests
from portmapper.daemon.signals import handling
from portmapper.daemon.systemd import ServiceManager
from portmapper.network.monitor import watching
from portmapper.observability.metrics import measure
from portmapper.observability.publisher import EventPublisher
from portmapper.observability.status import Document, mapping_document, status_document
from portmapper.scheduler.options import Options
from portmapper.scheduler.scheduler import Scheduler
from portmapper.sources.adhoc import AdhocMappings
from portmapper.sources.watcher import SourceWatcher
from portmapper.store.leases import Store
from portmapper.support.clock import Clock

RELEASE_LIMIT = 10.0
"""Seconds that closing ports on exit may take."""

WRITE_PAUSE = 1.0
"""Seconds between two tries to write what a full disk had no room for."""

STATUS_PAUSE = 1.0
"""Seconds between two messages to a service manager."""

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


Companion = Callable[["Daemon"], Coroutine[None, None, None]]
"""What runs beside a daemon until it is cancelled, such as a screen or the control socket."""


class Daemon:
    """One run, from startup to shutdown.

    Attributes:
        document: the status document as it was when the run ended.
        stopped: somebody asked for the end.
    """

    def __init__(
        self,
        options: RunOptions,
        backends: Sequence[Backend],
        setup: Reloadable,
        store: Store,
        companions: Sequence[Companion] = (),
        reset: Resetting | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Raises:
            UsageError: a named gateway is none.
        """
        self.document: Document = {}
        self.stopped = False
        self._options = options
        self._setup = setup
        self._reset = reset
        self._store = store
        self._companions = companions
        self._clock = Clock()
        self._started_at = self._clock.now().replace(microsecond=0)
        self._journal = EventPublisher(store, setup.observers)
        self._attach()
        self._scheduler = Scheduler(backends, store, self._journal.publish, self._scheduler_options())
        self._asked = AdhocMappings(store)
        self._on_request = Requests(self._scheduler, store, self._asked, self._want)
        self._lists = SourceWatcher(setup.readers, options.interval, self._clock, self._want, self._reloaded)
        self._service = ServiceManager()
        self._working: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run to the end.

        Raises:
            SourceError: a source cannot be read or parsed at start.
        """
        with handling(stop=self.stop, interrupt=self._interrupted, reload=self.reload):
            self._working = asyncio.create_task(self._work())
            if self.stopped:
                self._working.cancel()
            try:
                await self._working
            except asyncio.CancelledError:
                if not self.stopped:
                    raise
            finally:
                self._service.tell("STOPPING=1")
                self.document = self.status()
                await self._shut_down()

    def stop(self) -> None:
        """End the run in order, whatever it is waiting for."""
        self.stopped = True
        if self._working is not None:
            self._working.cancel()

    def reload(self) -> None:
        """Read the settings and every source now, and try at once what is not open.

        Settings that are wrong are told, and those from before stay.
        """
        self._service.tell_reloading()
        if self._reset is not None:
            try:
                self._setup = self._reset()
            except PortmapperError as error:
                _log.error("%s; the settings from before are kept", error)
        self._attach()
        self._journal.tell(self._setup.observers)
        self._scheduler.retry_now()
        self._lists.reload(self._setup.readers)

    def status(self) -> Document:
        """Return the status document as it is now."""
        readings, error = self._lists.readings, self._store.error
        return status_document(self._scheduler, readings, self._started_at, self._clock, error)

    async def open(self, records: object) -> Document:
        """Keep these mappings open until `close`, and return the status document of them alone.

        Raises:
            UsageError: a record is wrong, or the policy denies it.
        """
        entries = await self._on_request.open(records, self._setup.policy)
        described = [mapping_document(entry, self._scheduler.external, self._clock) for entry in entries]
        return {**self.status(), "mappings": described}

    async def close(self, records: object) -> Document:
        """Close ports that `open` asked for, and tell of each what became of it.

        Raises:
            UsageError: a record is wrong.
        """
        return {"ports": await self._on_request.close(records)}

    async def metrics(self) -> MetricsPage | None:
        """Return what the first observer that shows metrics shows, None where there is none."""
        showing = [o for o in self._journal.observers if isinstance(o, ShowsMetrics)]
        return await showing[0].page() if showing else None

    def history(self, limit: int) -> list[Document]:
        """Return the latest events, the oldest first."""
        return self._store.history(limit)

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event from now on; returns what ends that."""
        return self._journal.listen(listener)

    # Startup

    def _attach(self) -> None:
        for observer in self._setup.observers:
            if isinstance(observer, ShowsMetrics):
                observer.attach(lambda: measure(self._scheduler, self._journal.dropped, self._clock))

    def _scheduler_options(self) -> Options:
        options = self._options
        return Options(
            conflict=options.conflict,
            interval=options.interval,
            chosen=options.chosen,
            allowed=options.allowed or None,
            scope={reader.location for reader in self._setup.readers} if options.oneshot else None,
            watch=not options.oneshot,
        )

    def _interrupted(self) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stop()

    async def _work(self) -> None:
        await self._lists.read_first()
        self._journal.start()
        if self._options.oneshot:
            self._want()
            await self._scheduler.settled()
        else:
            self._asked.take_over(self._clock.now())
            self._want()
            await self._keep_open()

    # The main loop

    async def _keep_open(self) -> None:
        async with watching(self._network_changed), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._scheduler.run())
            tasks.create_task(self._lists.follow())
            tasks.create_task(self._keep_written())
            for companion in self._companions:
                tasks.create_task(companion(self))
            if self._service.listens:
                tasks.create_task(self._keep_service_manager_told())
            _log.info("keeping %d mapping(s) open", len(self._scheduler.entries))

    async def _keep_written(self) -> None:
        """Write what the store lacks soon after there is room.

        A crash before the next renewal would forget it, and leave open what nobody wants any more.
        """
        failed = asyncio.Event()
        self._store.failed = failed.set
        if self._store.error:
            failed.set()
        while True:
            await failed.wait()
            failed.clear()
            await asyncio.sleep(WRITE_PAUSE)
            self._store.catch_up()

    def _reloaded(self) -> None:
        self._service.tell("READY=1")

    async def _keep_service_manager_told(self) -> None:
        """Say that we are ready, then what changes, and that we live."""
        news, ping = asyncio.Event(), self._service.ping_interval
        pause = STATUS_PAUSE if ping is None else min(STATUS_PAUSE, ping / 2)
        ignore = self._journal.listen(lambda _: news.set())
        self._service.tell("READY=1")
        try:
            while True:
                self._service.tell("WATCHDOG=1", f"STATUS={self._summary()}")
                await asyncio.sleep(pause)
                await self._clock.wait(news, None if ping is None else ping - pause)
                news.clear()
        finally:
            ignore()

    def _summary(self) -> str:
        entries = self._scheduler.entries.values()
        is_open = sum(entry.state is MappingState.ACTIVE for entry in entries)
        return f"{is_open} of {len(entries)} mapping(s) open"

    def _network_changed(self) -> None:
        self._network_task = asyncio.create_task(self._scheduler.network_changed())

    def _want(self) -> None:
        """Have the mappings of all sources open, and what `open` asked for; of two the same, the first."""
        desired: dict[MappingKey, Mapping] = {}
        for reading in self._lists.readings:
            for mapping in reading.mappings:
                desired.setdefault(mapping.key, mapping)
        # One pass over its own sources leaves what others asked for as it is.
        for mapping in () if self._options.oneshot else self._asked.mappings:
            desired.setdefault(mapping.key, mapping)
        # Also what was asked for, or was read, before the policy became what it is.
        refusal = self._setup.policy.judge()
        self._scheduler.set_desired(mapping for mapping in desired.values() if not refusal(mapping))

    # Shutdown

    async def _shut_down(self) -> None:
        await self._lists.close()
        if self._options.close_on_exit:
            await self._close_ports()
        await self._scheduler.close()
        await self._journal.close()

    async def _close_ports(self) -> None:
        _log.info("closing what is open")
        try:
            async with asyncio.timeout(RELEASE_LIMIT):
                await self._scheduler.release_all()
        except TimeoutError:
            _log.warning("not every port could be closed within %.0f s", RELEASE_LIMIT)
