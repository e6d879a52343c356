"""The one writer of records: every change goes through the transition table here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from portmapper.api.model import Mapping, MappingKey
from portmapper.scheduler.claims import Claims
from portmapper.scheduler.effects import Effects
from portmapper.scheduler.inputs import Due, Expired, Input
from portmapper.scheduler.record import Record
from portmapper.scheduler.results import Moment, Result
from portmapper.scheduler.timers import Timers
from portmapper.support.clock import Clock


class Writer:
    """Keeps the records, and all that is derived from them.

    Attributes:
        records: the desired mappings, by key. Only this class changes it.
        claims: which orphans must stay for now.
        timers: when a record needs attention.
        attempting: how many attempts are under way.
    """

    def __init__(
        self, transition: Callable[[Record, Input, Moment], Result], clock: Clock, changed: Callable[[], None]
    ) -> None:
        """Start without records. `transition` is the table; `changed` is called at each new deadline."""
        self.records: dict[MappingKey, Record] = {}
        self.claims = Claims(self.records)
        self.timers = Timers(lambda key: _deadline(self.records.get(key)))
        self.attempting = 0
        self._transition = transition
        self._clock = clock
        self._changed = changed
        self._effects: Effects | None = None
        self._dropped: Callable[[MappingKey, Record], None] | None = None

    def connect(self, effects: Effects, dropped: Callable[[MappingKey, Record], None]) -> None:
        """Set who carries out the effects, and what is called after a record was dropped."""
        self._effects = effects
        self._dropped = dropped

    def add(self, key: MappingKey, mapping: Mapping) -> None:
        """Add a record for a desired mapping, and attempt it now."""
        self._keep(key, None, Record(mapping, due=self._clock.monotonic()))

    def take(self, key: MappingKey, given: Input) -> None:
        """Put an input through the table, keep the new record and carry out the effects."""
        before = self.records.get(key)
        if before is None:
            return
        after, effects = self._transition(before, given, self._moment())
        self._keep(key, before, after)
        assert self._effects is not None, "the writer is connected before it takes inputs"
        for effect in effects:
            self._effects.carry_out(before if after is None else after, effect)
        if after is None and self._dropped is not None:
            self._dropped(key, before)

    def take_each(self, inputs: Iterable[tuple[MappingKey, Input]]) -> Iterator[None]:
        """Take an input for each of many mappings, one in each step."""
        for key, given in inputs:
            self.take(key, given)
            yield

    def due(self) -> Iterator[tuple[MappingKey, Record]]:
        """Yield the records whose next attempt is due; an expired lease is given up before."""
        now = self._clock.monotonic()
        for key in self.timers.due(now):
            expires_at = self.records[key].expires_at
            if expires_at is not None and expires_at <= now:
                self.take(key, Expired())
            record = self.records[key]
            if record.due is not None and record.due <= now:
                yield key, record

    def begin(self, key: MappingKey, due: Due) -> Record:
        """Begin an attempt; return the record."""
        self.take(key, due)
        return self.records[key]

    def _keep(self, key: MappingKey, before: Record | None, after: Record | None) -> None:
        if after is None:
            del self.records[key]
        else:
            self.records[key] = after
        was, now = before is not None and before.attempting, after is not None and after.attempting
        self.attempting += now - was
        self.claims.update(key, before, after)
        deadline = _deadline(after)
        if deadline is not None and deadline != _deadline(before):
            self.timers.add(key, deadline)
            self._changed()

    def _moment(self) -> Moment:
        return Moment(self._clock.monotonic(), self._clock.now())


def _deadline(record: Record | None) -> float | None:
    """Return when a record needs attention: its next attempt, or the end of its lease."""
    if record is None:
        return None
    due, ends = record.due, record.expires_at
    if due is None or ends is None:
        return ends if due is None else due
    return min(due, ends)
