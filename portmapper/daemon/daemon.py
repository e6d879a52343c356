"""The daemon: read the sources, keep their mappings open, shut down in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence

import attrs

from portmapper.api.backend import Backend
from portmapper.api.errors import PortmapperError, UsageError
from portmapper.api.events import Event
from portmapper.api.metrics import MetricsPage, ShowsMetrics
from portmapper.api.model import ConflictPolicy, Mapping, MappingKey, MappingState
from portmapper.api.quirks import Quirk
from portmapper.daemon.adopted import adopt_leases
from portmapper.daemon.reloadable import LoadSettings, Reloadable
from portmapper.daemon.requests import ANSWER_LIMIT, Requests
from portmapper.daemon.signals import signal_handlers
from portmapper.daemon.systemd import ServiceManager
from portmapper.network.monitor import monitoring
from portmapper.observability.metrics import collect_metrics
from portmapper.observability.publisher import EventPublisher
from portmapper.observability.status import Document, date, mapping_document, status_document
from portmapper.scheduler.options import Options
from portmapper.scheduler.scheduler import Scheduler
from portmapper.sources.adhoc import COMMAND_LINE, AdhocMappings
from portmapper.sources.watcher import SourceWatcher
from portmapper.store.leases import Store
from portmapper.support.clock import Clock
from portmapper.support.text import plural

RELEASE_LIMIT = 10.0
"""Time limit in seconds for closing ports on exit."""

WRITE_RETRY_DELAY = 1.0
"""Seconds before another attempt to write to a store whose disk was full."""

STATUS_INTERVAL = 1.0
"""Minimum number of seconds between two messages to the service manager."""

_log = logging.getLogger(__name__)


@attrs.frozen
class RunOptions:
    """The options of a run.

    Attributes:
        interval: seconds between two checks of sources, network and gateways.
        oneshot: run one pass, then exit.
        close_on_exit: on exit, release what this run opened.
        conflict: policy for mappings that set none.
        chosen: gateways that the user named.
        allowed: backends that may open ports; empty means all.
    """

    interval: float = 60.0
    oneshot: bool = False
    close_on_exit: bool = False
    conflict: ConflictPolicy = ConflictPolicy.OWN
    chosen: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


BackgroundTask = Callable[["Daemon"], Coroutine[None, None, None]]
"""Runs beside the daemon until it is canceled, such as a screen or the server of the control socket."""


class Daemon:
    """One run, from startup to shutdown.

    Attributes:
        document: the status document at the end of the run.
        stopped: a stop was requested.
    """

    def __init__(
        self,
        options: RunOptions,
        backends: Sequence[Backend],
        reloadable: Reloadable,
        store: Store,
        background_tasks: Sequence[BackgroundTask] = (),
        load_settings: LoadSettings | None = None,
        quirks: Sequence[Quirk] = (),
    ) -> None:
        """Create the daemon; nothing is sent yet.

        Raises:
            UsageError: the name of a gateway is invalid.
        """
        self.document: Document = {}
        self.stopped = False
        self._options = options
        self._reloadable = reloadable
        self._load_settings = load_settings
        self._store = store
        self._background_tasks = background_tasks
        self._clock = Clock()
        self._started_at = self._clock.now().replace(microsecond=0)
        self._publisher = EventPublisher(store, reloadable.observers)
        self._attach_metrics()
        self._scheduler = Scheduler(
            backends, store, self._publisher.publish, self._scheduler_options(), quirks=quirks
        )
        self._adhoc = AdhocMappings(store)
        self._requests = Requests(self._scheduler, store, self._adhoc, self._update_desired)
        self._watcher = SourceWatcher(
            reloadable.readers, options.interval, self._clock, self._update_desired, self._reloaded
        )
        self._service = ServiceManager()
        self._all_read = asyncio.Event()
        self._main_task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run until the end.

        Raises:
            SourceError: a source cannot be read or parsed at start.
        """
        with signal_handlers(stop=self.stop, interrupt=self._interrupted, reload=self.reload):
            self._main_task = asyncio.create_task(self._run_main())
            if self.stopped:
                self._main_task.cancel()
            try:
                await self._main_task
            except asyncio.CancelledError:
                if not self.stopped:
                    raise
            finally:
                self._service.notify("STOPPING=1")
                self.document = self.status()
                await self._shut_down()

    def stop(self) -> None:
        """Stop the run in order, even while it waits."""
        self.stopped = True
        if self._main_task is not None:
            self._main_task.cancel()

    def reload(self) -> None:
        """Reload the settings and every source now, and retry mappings that are not open.

        If the new settings are invalid, the old settings stay in effect.
        """
        self._reload()

    async def reload_and_wait(self) -> Document:
        """Reload as `reload` does, and return the sources once all have been read.

        Raises:
            UsageError: the new settings are invalid; the old settings stay in effect.
        """
        if error := self._reload():
            raise UsageError(f"{error}; the old settings stay in effect")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_LIMIT):
                await self._all_read.wait()
        return {"sources": self.status()["sources"]}

    def _reload(self) -> PortmapperError | None:
        self._service.notify_reloading()
        self._all_read.clear()
        invalid = None
        if self._load_settings is not None:
            try:
                self._reloadable = self._load_settings()
            except PortmapperError as error:
                invalid = error
                _log.error("%s; the old settings stay in effect", error)
        self._attach_metrics()
        self._publisher.set_observers(self._reloadable.observers)
        self._scheduler.retry_now()
        self._watcher.reload(self._reloadable.readers)
        return invalid

    def status(self) -> Document:
        """Return the current status document."""
        readings, error = self._watcher.readings, self._store.error
        document = status_document(self._scheduler, readings, self._started_at, self._clock, error)
        return {**document, "next_check_at": date(self._watcher.next_read, self._clock)}

    async def open(self, records: object) -> Document:
        """Keep these mappings open until `close`, and return a status document with only these mappings.

        Raises:
            UsageError: a record is invalid, or the policy denies it.
        """
        entries = await self._requests.open(records, self._reloadable.policy)
        described = [mapping_document(entry, self._scheduler.external, self._clock) for entry in entries]
        return {**self.status(), "mappings": described}

    async def close(self, records: object) -> Document:
        """Close ports that `open` requested, and return the result for each.

        Raises:
            UsageError: a record is invalid.
        """
        return {"ports": await self._requests.close(records)}

    async def metrics(self) -> MetricsPage | None:
        """Return the page of the first observer that provides metrics; None if there is none."""
        providers = [o for o in self._publisher.observers if isinstance(o, ShowsMetrics)]
        return await providers[0].page() if providers else None

    def history(self, limit: int) -> list[Document]:
        """Return the latest `limit` events, oldest first."""
        return self._store.history(limit)

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each event from now on; return a function that removes the listener."""
        return self._publisher.listen(listener)

    # Startup

    def _attach_metrics(self) -> None:
        for observer in self._reloadable.observers:
            if isinstance(observer, ShowsMetrics):
                observer.attach(
                    lambda: collect_metrics(self._scheduler, self._publisher.dropped, self._clock)
                )

    def _scheduler_options(self) -> Options:
        options = self._options
        return Options(
            conflict=options.conflict,
            interval=options.interval,
            chosen=options.chosen,
            allowed=options.allowed or None,
            scope={reader.location for reader in self._reloadable.readers} if options.oneshot else None,
            watch=not options.oneshot,
            prompt=(COMMAND_LINE,),
        )

    def _interrupted(self) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stop()

    async def _run_main(self) -> None:
        await self._watcher.read_first(all_required=self._options.oneshot)
        self._publisher.start()
        if self._options.oneshot:
            self._update_desired()
            await self._scheduler.settled()
        else:
            self._adhoc.adopt(self._clock.now())
            adopt_leases(self._reloadable.readers, self._store, self._clock.now())
            self._watcher.use_last_readings()
            self._update_desired()
            await self._keep_open()

    # The main loop

    async def _keep_open(self) -> None:
        async with monitoring(self._network_changed), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._scheduler.run())
            tasks.create_task(self._watcher.run())
            tasks.create_task(self._retry_store_writes())
            for background_task in self._background_tasks:
                tasks.create_task(background_task(self))
            if self._service.is_present:
                tasks.create_task(self._notify_service_manager())
            _log.info("keeping %s open", plural(len(self._scheduler.records), "mapping"))

    async def _retry_store_writes(self) -> None:
        """Write missing records to the store as soon as the disk has room.

        Otherwise a crash before the next renewal would lose them, and their ports would stay open.
        """
        failed = asyncio.Event()
        self._store.on_write_failure = failed.set
        if self._store.error:
            failed.set()
        while True:
            await failed.wait()
            failed.clear()
            await asyncio.sleep(WRITE_RETRY_DELAY)
            self._store.catch_up()

    def _reloaded(self) -> None:
        self._all_read.set()
        self._service.notify("READY=1")

    async def _notify_service_manager(self) -> None:
        """Notify the service manager of readiness, then of status changes, with regular watchdog pings."""
        changed, ping = asyncio.Event(), self._service.ping_interval
        interval = STATUS_INTERVAL if ping is None else min(STATUS_INTERVAL, ping / 2)
        remove_listener = self._publisher.listen(lambda _: changed.set())
        self._service.notify("READY=1")
        try:
            while True:
                self._service.notify("WATCHDOG=1", f"STATUS={self._summary()}")
                await asyncio.sleep(interval)
                await self._clock.wait(changed, None if ping is None else ping - interval)
                changed.clear()
        finally:
            remove_listener()

    def _summary(self) -> str:
        entries = self._scheduler.records.values()
        is_open = sum(entry.state is MappingState.ACTIVE for entry in entries)
        return f"{is_open} of {plural(len(entries), 'mapping')} open"

    def _network_changed(self) -> None:
        self._network_task = asyncio.create_task(self._scheduler.network_changed())

    def _update_desired(self) -> None:
        """Send all desired mappings, listed and requested, to the scheduler; the first of duplicates wins."""
        desired: dict[MappingKey, Mapping] = {}
        for reading in self._watcher.readings:
            for mapping in reading.mappings:
                desired.setdefault(mapping.key, mapping)
        # A oneshot pass must not change the mappings of other runs.
        for mapping in () if self._options.oneshot else self._adhoc.mappings:
            desired.setdefault(mapping.key, mapping)
        # The policy may have changed since these mappings were requested or read.
        refusal = self._reloadable.policy.checker()
        self._scheduler.set_desired(mapping for mapping in desired.values() if not refusal(mapping))

    # Shutdown

    async def _shut_down(self) -> None:
        await self._watcher.close()
        if self._options.close_on_exit:
            await self._close_ports()
        await self._scheduler.close()
        await self._publisher.close()

    async def _close_ports(self) -> None:
        _log.info("closing all open ports")
        try:
            async with asyncio.timeout(RELEASE_LIMIT):
                await self._scheduler.release_all()
        except TimeoutError:
            _log.warning("could not close every port within %.0f s", RELEASE_LIMIT)
