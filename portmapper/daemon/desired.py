"""All desired mappings of a daemon: those that sources list and those that were requested."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from portmapper.api.model import Mapping, MappingKey
from portmapper.api.reading import Reading
from portmapper.daemon.adopted import adopt, all_read
from portmapper.daemon.gatekeeper import Gatekeeper
from portmapper.daemon.listening_gate import ListeningGate
from portmapper.daemon.options import RunOptions
from portmapper.daemon.reloadable import Reloadable
from portmapper.network.reader import NetworkReader
from portmapper.scheduler.options import PolicyCheck
from portmapper.sources.adhoc import AdhocMappings
from portmapper.sources.gates import HeldBack
from portmapper.sources.pauses import pause_gate
from portmapper.sources.time_gates import schedule_gate, until_gate
from portmapper.sources.watcher import SourceWatcher
from portmapper.store.interface import LeaseStore
from portmapper.support.clock import Clock


class Desired:
    """Collects what sources, requests and gates say, and passes it on to the scheduler.

    Attributes:
        adhoc: the requested mappings.
        gatekeeper: divides all mappings into desired ones and those that are held back.
        listening: the gate of the mappings that wait for a program.
        watcher: reads the sources.
        started: every source was read once; nothing is passed on before, because an incomplete list
            would close the ports of the rest.
    """

    def __init__(
        self,
        pass_on: Callable[[Sequence[Mapping]], None],
        recover: Callable[[], None],
        store: LeaseStore,
        options: RunOptions,
        reloadable: Reloadable,
        checker: PolicyCheck,
        network: NetworkReader,
        clock: Clock,
        reloaded: Callable[[], None],
    ) -> None:
        """Read nothing yet.

        Args:
            pass_on: takes all desired mappings, at each change.
            recover: looks for the leases that a damaged store lost, once every list was read.
            store: has the requested and the paused mappings, and the leases of earlier runs.
            options: of the run.
            reloadable: what the settings say at the start.
            checker: the policy.
            network: this host's addresses and listening programs.
            clock: the wall clock of the gates.
            reloaded: called when every source has been read after a reload.
        """
        self._pass_on = pass_on
        self._recover = recover
        self._store = store
        self._oneshot = options.oneshot
        self._checker = checker
        self._clock = clock
        self._lost_leases = bool(store.damage) and not options.oneshot
        self.adhoc = AdhocMappings(store)
        self.listening = ListeningGate(clock, network, on_loopback=options.on_loopback)
        gates = (pause_gate(store.pauses.known), until_gate, schedule_gate(), self.listening)
        self.gatekeeper = Gatekeeper(gates, clock, self.update, stays=not options.oneshot)
        self.watcher = SourceWatcher(reloadable.readers, options.interval, clock, self.update, reloaded)
        self.started = asyncio.Event()

    def start(self, reloadable: Reloadable) -> None:
        """Take over what earlier runs left, and pass everything on, now and at each change.

        A pass leaves what earlier runs opened to the daemon.
        """
        if not self._oneshot:
            adopt(self.adhoc, self.listening, reloadable.readers, self._store, self._clock.now())
            self.watcher.use_last_readings()
        self.started.set()
        self.update()

    def update(self) -> None:
        """Send all desired mappings, listed and requested, to the scheduler."""
        if not self.started.is_set():
            return
        # A oneshot pass must not change the mappings of other runs.
        requested = () if self._oneshot else self.adhoc.current(self._clock.now())
        allowed = desired_mappings(self.watcher.readings, requested, self._checker())
        self._pass_on(self.gatekeeper.desired(allowed))
        if self._lost_leases and all_read(self.watcher.readings):
            self._recover()

    async def watch_listeners(self) -> None:
        """Ask again whether programs listen, until canceled."""
        await self.listening.run(self.gatekeeper, self.update)

    @property
    def readings(self) -> list[Reading]:
        """The latest reading of each source."""
        return self.watcher.readings

    @property
    def next_read(self) -> float | None:
        """When the sources are read again, in monotonic seconds."""
        return self.watcher.next_read

    @property
    def held_back(self) -> Sequence[HeldBack]:
        """The mappings that gates hold back."""
        return self.gatekeeper.decision.held_back

    @property
    def closes_at(self) -> dict[MappingKey, datetime]:
        """When gates close the mappings that they let through."""
        return self.gatekeeper.decision.closes_at


def desired_mappings(
    readings: Iterable[Reading], requested: Iterable[Mapping], refusal: Callable[[Mapping], str]
) -> Iterator[Mapping]:
    """Yield the mappings that the policy allows; the first of duplicates wins.

    `refusal` is checked again here: the policy may have changed since a mapping was requested or read.
    """
    desired: dict[MappingKey, Mapping] = {}
    for reading in readings:
        for mapping in reading.mappings:
            desired.setdefault(mapping.key, mapping)
    for mapping in requested:
        desired.setdefault(mapping.key, mapping)
    return (mapping for mapping in desired.values() if not refusal(mapping))
