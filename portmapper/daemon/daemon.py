"""The daemon: read the sources, keep their mappings open, shut down in order."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING

from portmapper.api.backend import Backend
from portmapper.api.events import Event
from portmapper.api.quirks import Quirk
from portmapper.daemon.attached import attach, metrics_page
from portmapper.daemon.cluster import ALONE, Cluster
from portmapper.daemon.current_status import CurrentStatus
from portmapper.daemon.desired import Desired
from portmapper.daemon.election import Election
from portmapper.daemon.options import RunOptions, scheduler_options
from portmapper.daemon.outside import OutsideCheck
from portmapper.daemon.pulse import Pulse
from portmapper.daemon.reloadable import LoadSettings, Reloadable
from portmapper.daemon.reloading import Reloading
from portmapper.daemon.shutdown import close_ports
from portmapper.daemon.signals import signal_handlers
from portmapper.daemon.supervisor import Supervisor, name_of
from portmapper.daemon.systemd import ServiceManager, keep_notifying
from portmapper.network.reader import NetworkReader
from portmapper.observability.publisher import EventPublisher
from portmapper.observability.status import Document, source_document
from portmapper.scheduler.options import PolicyCheck
from portmapper.scheduler.scheduler import Scheduler
from portmapper.store.interface import LeaseStore
from portmapper.support.clock import Clock
from portmapper.support.text import plural

if TYPE_CHECKING:
    from portmapper.api.metrics import Metrics, MetricsPage
    from portmapper.daemon.changes import Changes

_log = logging.getLogger(__name__)

BackgroundTask = Callable[["Daemon"], Coroutine[None, None, None]]
"""Runs beside the daemon until it is canceled, such as a screen or the server of the control socket."""


class Daemon:
    """One run, from startup to shutdown.

    Attributes:
        document: the status document at the end of the run.
        stopped: a stop was requested.
        history: returns events of the journal.
    """

    def __init__(
        self,
        options: RunOptions,
        backends: Sequence[Backend],
        reloadable: Reloadable,
        store: LeaseStore,
        background_tasks: Sequence[BackgroundTask] = (),
        load_settings: LoadSettings | None = None,
        quirks: Sequence[Quirk] = (),
        cluster: Cluster = ALONE,
    ) -> None:
        """Create the daemon; nothing is sent yet.

        Raises:
            UsageError: the name of a gateway is invalid.
        """
        self.document: Document = {}
        self.stopped = False
        self._options = options
        self._service = ServiceManager()
        self._reloading = Reloading(reloadable, load_settings, self._apply, self._service)
        self._store = store
        self.history = store.history
        self._background_tasks = background_tasks
        self._clock = Clock()
        self._network = NetworkReader()
        self._supervisor = Supervisor(self._clock)
        self._publisher = EventPublisher(store, reloadable.observers)
        self._election = Election(cluster.guard, self.stop)
        self._checker: PolicyCheck = lambda: self._reloading.settings.policy.checker(self._network)
        self._scheduler = self._make_scheduler(backends, quirks, cluster)
        self._connect()
        self._main_task: asyncio.Task[None] | None = None

    def _connect(self) -> None:
        """Make the parts that need the scheduler."""
        self._pulse = Pulse(lambda: self._clock.monotonic() - self._scheduler.next_round)
        self._election.on_leading = self._scheduler.begin
        attach(self._reloading.settings.observers, self._measure, self.status)
        self._desired = self._make_desired()
        self._outside = OutsideCheck(lambda: self._reloading.settings.probe, self._network, self._clock)
        self._status = self._make_status()

    def _make_scheduler(
        self, backends: Sequence[Backend], quirks: Sequence[Quirk], cluster: Cluster
    ) -> Scheduler:
        readers, on_hold = self._reloading.settings.readers, cluster.guard is not None
        return Scheduler(
            backends,
            self._store,
            self._publisher.publish,
            scheduler_options(self._options, readers, self._checker, on_hold=on_hold),
            self._clock,
            network=self._network,
            quirks=quirks,
            tokens=cluster.choose_token,
            gate=self._election.gate,
        )

    def _make_desired(self) -> Desired:
        return Desired(
            self._scheduler.set_desired,
            self._scheduler.recovery.begin,
            self._store,
            self._options,
            self._reloading.settings,
            self._checker,
            self._network,
            self._clock,
            self._reloading.sources_read,
        )

    def _make_status(self) -> CurrentStatus:
        return CurrentStatus(
            self._scheduler,
            self._desired,
            self._election,
            self._outside,
            self._problems,
            self._store,
            self._clock,
        )

    @functools.cached_property
    def _changes(self) -> Changes:
        """What other programs may change. It is imported for the first of them: a pass serves none."""
        from portmapper.daemon.changes import Changes
        from portmapper.daemon.pausing import Pausing
        from portmapper.daemon.requests import Requests

        scheduler, store, desired = self._scheduler, self._store, self._desired
        update, gatekeeper = desired.update, desired.gatekeeper
        return Changes(
            Requests(scheduler, store, desired.adhoc, update),
            Pausing(scheduler, store, gatekeeper, self._publisher, update, self._clock),
            desired.started,
            self._election,
            self._status.document_of,
            self._clock,
            lambda: self._reloading.settings.policy,
        )

    async def run(self) -> None:
        """Run until the end.

        Raises:
            SourceError: a source cannot be read or parsed at start.
            LeadershipLost: another daemon may lead now.
        """
        loop = asyncio.get_running_loop()
        with (
            signal_handlers(stop=self.stop, interrupt=self._interrupted, reload=self.reload),
            self._store.batching(loop.call_soon),
        ):
            loop.set_exception_handler(self._supervisor.loop_error)
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
        self._election.check_end()

    def stop(self) -> None:
        """Stop the run in order, even while it waits."""
        self.stopped = True
        if self._main_task is not None:
            self._main_task.cancel()

    def reload(self) -> None:
        """Reload settings and sources now, and retry what is not open. Invalid settings change nothing."""
        self._reloading.reload()

    async def reload_and_wait(self) -> Document:
        """Reload as `reload` does, and return the sources once all have been read.

        Raises:
            UsageError: the new settings are invalid; the old settings stay in effect.
        """
        await self._reloading.reload_and_wait()
        return {"sources": [source_document(reading) for reading in self._desired.readings]}

    def _apply(self, settings: Reloadable) -> None:
        attach(settings.observers, self._measure, self.status)
        self._publisher.set_observers(settings.observers)
        self._scheduler.retry_now()
        self._desired.watcher.reload(settings.readers)
        self._outside.soon()

    @property
    def web_address(self) -> str | None:
        """The URL of the listener for HTTP; None without one."""
        return self._status.web_address

    @web_address.setter
    def web_address(self, url: str | None) -> None:
        self._status.web_address = url

    def status(self) -> Document:
        """Return the current status document."""
        return self._status.document()

    async def status_in_slices(self) -> Document:
        """Return the status document; other work continues while it is built."""
        return await self._status.document_in_slices()

    async def metrics(self) -> MetricsPage | None:
        """Return the page of the first observer that provides metrics; None if there is none."""
        return await metrics_page(self._publisher.observers)

    def not_ready(self) -> list[str]:
        """Return why the daemon is not ready; empty if a gateway answers and the lists were read."""
        readings = self._desired.readings if self._desired.started.is_set() else None
        from portmapper.daemon.readiness import not_ready  # needed only for a health check

        return not_ready(readings, bool(self._scheduler.answering()))

    async def open(self, records: object) -> Document:
        """Keep these mappings open until `close`. Raises `UsageError`."""
        return await self._changes.open(records)

    async def close(self, records: object) -> Document:
        """Close ports that `open` requested. Raises `UsageError`."""
        return await self._changes.close(records)

    async def pause(self, records: object) -> Document:
        """Close rows of lists until they are resumed. Raises `UsageError`."""
        return await self._changes.pause(records)

    async def resume(self, records: object) -> Document:
        """Open paused rows again. Raises `UsageError`."""
        return await self._changes.resume(records)

    @property
    def last_event_id(self) -> int:
        """The id of the latest event."""
        return self._store.last_event_id

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each event from now on; return a function that removes the listener."""
        return self._publisher.listen(listener)

    # Startup

    def _problems(self) -> list[Document]:
        store = self._store.error or self._store.damage
        conditions = {"network": self._network.problem, "lease store": store, **self._pulse.problems}
        return self._supervisor.document(conditions)

    def _measure(self) -> Metrics:
        from portmapper.observability.metrics import collect_metrics  # most daemons are not measured

        dropped, role = self._publisher.dropped, self._election.role.value
        return collect_metrics(self._scheduler, dropped, self._clock, self._desired.gatekeeper.states, role)

    def _interrupted(self) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stop()

    async def _run_main(self) -> None:
        # The control socket answers while the sources are still being read.
        background = [] if self._options.oneshot else self._start_background_tasks()
        try:
            await self._desired.watcher.read_first(self._options.oneshot, self._service.is_unattended)
            self._publisher.start()
            self._desired.start(self._reloading.settings)
            if self._options.oneshot:
                await self._scheduler.settled()
            else:
                await self._keep_open()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)

    def _start_background_tasks(self) -> list[asyncio.Task[None]]:
        return [
            asyncio.create_task(self._supervisor.keep(name_of(task), partial(task, self)))
            for task in self._background_tasks
        ]

    # The main loop

    async def _keep_open(self) -> None:
        # A pass needs neither.
        from portmapper.daemon.store_writer import retry_store_writes
        from portmapper.network.monitor import monitoring

        keep = self._supervisor.keep
        async with monitoring(self._network_changed), asyncio.TaskGroup() as tasks:
            tasks.create_task(keep("scheduler", self._scheduler.run))
            tasks.create_task(keep("pulse", self._pulse.run))
            tasks.create_task(keep("clock", self._clock.watch))
            tasks.create_task(keep("sources", self._desired.watcher.run))
            tasks.create_task(keep("gates", self._desired.gatekeeper.run))
            tasks.create_task(keep("listeners", self._desired.watch_listeners))
            tasks.create_task(keep("store", partial(retry_store_writes, self._store)))
            self._election.start(keep)
            tasks.create_task(keep("outside check", partial(self._outside.run, self.status, self.listen)))
            if self._service.is_present:
                tasks.create_task(keep("service manager", self._notify_service_manager))
            _log.info("%s %s open", self._election.does, plural(len(self._scheduler.records), "mapping"))

    async def _notify_service_manager(self) -> None:
        summary, pulse = self._status.summary, self._pulse
        await keep_notifying(self._service, summary, self.listen, self._clock, lambda: pulse.is_stuck)

    def _network_changed(self) -> None:
        self._network_task = asyncio.create_task(
            self._supervisor.attempt("network change", self._scheduler.network_changed)
        )

    # Shutdown

    async def _shut_down(self) -> None:
        if self._options.close_on_exit and not self._election.standing:
            await close_ports(self._scheduler)
        await self._scheduler.close()
        await self._election.close()  # soon: another daemon waits
        await self._desired.watcher.close()
        await self._publisher.close()
