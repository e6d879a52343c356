"""Carries out what follows from a transition: ownership, events and counters change together."""

from __future__ import annotations

from collections.abc import Mapping

from portmapper.api.model import IPAddress
from portmapper.scheduler.counters import Counters
from portmapper.scheduler.event_recorder import EventRecorder
from portmapper.scheduler.options import Options
from portmapper.scheduler.record import Record
from portmapper.scheduler.results import Abandoned, Acquired, Effect, Failed, Lost, Moved
from portmapper.store.comparison import displaces
from portmapper.store.ownership import Ownership


class Effects:
    """Carries out effects.

    Attributes:
        renewed: whether the last lease that was acquired renewed one.
    """

    def __init__(
        self,
        ownership: Ownership,
        recorder: EventRecorder,
        counters: Counters,
        external: Mapping[str, IPAddress | None],
        options: Options,
    ) -> None:
        self._ownership = ownership
        self._recorder = recorder
        self._counters = counters
        self._external = external
        self._repeat = options.watch
        self.renewed = False

    def carry_out(self, record: Record, effect: Effect) -> None:
        """Carry out one effect of a transition to `record`."""
        if isinstance(effect, Acquired):
            self._acquired(record, effect)
        elif isinstance(effect, Lost):
            self._lost(record, effect)
        elif isinstance(effect, Failed):
            self._failed(record, effect)
        elif isinstance(effect, Abandoned):
            self._ownership.abandon(effect.lease.token)
        elif isinstance(effect, Moved):
            now = effect.lease.external_address
            self._recorder.external_address_changed(record.mapping, effect.lease, effect.before, now)

    def _acquired(self, record: Record, effect: Acquired) -> None:
        self.renewed = effect.renewed
        lease, before, adopted = effect.lease, effect.before, effect.adopted
        external = self._external.get(lease.gateway)
        told = self._recorder.granted(record, before or adopted, lease, external)
        if adopted is not None:
            self._recorder.adopted(record, adopted, lease, external, repeat=self._repeat and not told)
        if before is not None and before.token != lease.token:
            if displaces(lease, before):
                self._ownership.released(before.token)
            else:
                self._ownership.abandon(before.token)

    def _lost(self, record: Record, effect: Lost) -> None:
        self._recorder.lost(record.mapping, effect.lease, effect.why)
        if effect.still_open:
            self._ownership.abandon(effect.lease.token)
        else:
            self._ownership.released(effect.lease.token)

    def _failed(self, record: Record, effect: Failed) -> None:
        self._counters.failed(error for _, error in record.refusals)
        if effect.first:
            self._recorder.failed(record)
