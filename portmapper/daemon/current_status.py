"""The status of a daemon at the moment: as a document, and as one line."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from portmapper.daemon.held_back import held_back_documents
from portmapper.observability.status import (
    Document,
    date,
    mapping_documents,
    moment,
    status_document,
    summary,
)
from portmapper.support.slices import in_slices

if TYPE_CHECKING:
    from datetime import datetime

    from portmapper.api.model import MappingKey
    from portmapper.api.reading import Reading
    from portmapper.daemon.election import Election
    from portmapper.daemon.outside import OutsideCheck
    from portmapper.scheduler.record import Record
    from portmapper.scheduler.scheduler import Scheduler
    from portmapper.sources.gates import HeldBack
    from portmapper.store.interface import LeaseStore
    from portmapper.support.clock import Clock


class Desired(Protocol):
    """What the document shows of `portmapper.daemon.desired`."""

    @property
    def readings(self) -> list[Reading]:
        """The latest reading of each source."""

    @property
    def held_back(self) -> Sequence[HeldBack]:
        """The mappings that gates hold back."""

    @property
    def closes_at(self) -> dict[MappingKey, datetime]:
        """When gates close the mappings that they let through."""

    @property
    def next_read(self) -> float | None:
        """When the sources are read again, in monotonic seconds."""


class CurrentStatus:
    """Puts together what the parts of a daemon know.

    Attributes:
        web_address: the URL of the listener for HTTP; None without one.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        desired: Desired,
        election: Election,
        outside: OutsideCheck,
        problems: Callable[[], list[Document]],
        store: LeaseStore,
        clock: Clock,
    ) -> None:
        """Describe a daemon that starts now; `problems` returns what is wrong with its parts."""
        self.web_address: str | None = None
        self._scheduler = scheduler
        self._desired = desired
        self._election = election
        self._outside = outside
        self._problems = problems
        self._store = store
        self._clock = clock
        self._started_at: datetime = clock.now().replace(microsecond=0)

    def document(self) -> Document:
        """Return the status document."""
        return self._with([*self._mappings()])

    async def document_in_slices(self) -> Document:
        """Return the status document of whole lists; other work continues while it is built."""
        await self._scheduler.taken()
        return self._with(await in_slices(self._mappings()))

    def summary(self) -> str:
        """Return how many mappings are open, in one line."""
        now = self._clock.monotonic()
        states = [entry.state_at(now) for entry in self._scheduler.records.values()]
        line = summary([*states, *(held.state for held in self._desired.held_back)], len(self._problems()))
        return ", ".join(filter(None, [self._election.standing, line]))

    def document_of(self, opened: Iterable[MappingKey], requested: Iterable[MappingKey]) -> Document:
        """Return the status document with these mappings only, desired ones and those that are held back."""
        records = self._scheduler.records
        desired = self._desired_mappings({key: records[key] for key in opened if key in records})
        return self._with([*desired, *held_back_documents(self._desired.held_back, [*requested])])

    def _mappings(self) -> Iterable[Document]:
        desired = self._desired_mappings(self._scheduler.records)
        return itertools.chain(desired, held_back_documents(self._desired.held_back))

    def _desired_mappings(self, records: Mapping[MappingKey, Record]) -> Iterable[Document]:
        return mapping_documents(records, self._scheduler.external, self._clock, self._desired.closes_at)

    def _with(self, mappings: list[Document]) -> Document:
        readings, error = self._desired.readings, self._store.error
        document = status_document(self._scheduler, readings, self._started_at, self._clock, error, mappings)
        document |= {
            **self._election.document(),
            "web_address": self.web_address,
            "next_check_at": date(self._desired.next_read, moment(self._clock)),
            "problems": self._problems(),
        }
        return self._outside.annotated(document)
