"""Requests to pause rows of lists, and to resume them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from portmapper.api.events import Event, EventKind
from portmapper.api.model import ANY_PORT, Mapping, Protocol
from portmapper.daemon.answers import until
from portmapper.daemon.gatekeeper import Gatekeeper
from portmapper.observability.publisher import EventPublisher
from portmapper.scheduler.record import Record, records_of
from portmapper.scheduler.scheduler import Scheduler
from portmapper.sources.adhoc import COMMAND_LINE, parse_records
from portmapper.sources.pauses import pause_key
from portmapper.store.interface import LeaseStore
from portmapper.support.clock import Clock

Port = tuple[Protocol, int]


class Pausing:
    """Pauses and resumes rows."""

    def __init__(
        self,
        scheduler: Scheduler,
        store: LeaseStore,
        gatekeeper: Gatekeeper,
        publisher: EventPublisher,
        changed: Callable[[], None],
        clock: Clock,
    ) -> None:
        """Serve the requests of one daemon; `changed` is called after a pause began or ended."""
        self._scheduler = scheduler
        self._store = store
        self._gatekeeper = gatekeeper
        self._publisher = publisher
        self._changed = changed
        self._clock = clock

    async def pause(self, records: object) -> list[dict[str, Any]]:
        """Close these rows until they are resumed, and return the result for each port.

        Raises:
            UsageError: a record is invalid.
        """
        ports = parse_records(records)
        found = self._rows_at(ports)
        tokens = [
            [entry.lease.token for row in rows for entry in self._records_of(row) if entry.lease]
            for rows in found
        ]
        self._begin(row for rows in found for row in rows)
        await self._scheduler.taken()
        await until(lambda: not any(map(self._are_held, tokens)))
        return [
            _answer(port, *self._paused(port, rows, held))
            for port, rows, held in zip(ports, found, tokens, strict=True)
        ]

    async def resume(self, records: object) -> list[dict[str, Any]]:
        """Open these rows again, and return the result for each port.

        Raises:
            UsageError: a record is invalid.
        """
        ports = parse_records(records)
        found = self._rows_at(ports)
        results = [self._resumed(port, rows) for port, rows in zip(ports, found, strict=True)]
        self._end(ports, [row for rows in found for row in rows])
        every = [row for rows in found for row in rows]
        await self._scheduler.taken()
        # Records are values: ask for the current ones each time.
        await until(lambda: all(e.lease or e.attempts for row in every for e in self._records_of(row)))
        return [_answer(port, *result) for port, result in zip(ports, results, strict=True)]

    def _begin(self, rows: Iterable[Mapping]) -> None:
        new = [row for row in rows if pause_key(row) not in self._store.pauses.known]
        self._store.pauses.add(map(pause_key, new), self._clock.now())
        self._apply(EventKind.PAUSED, new)

    def _end(self, ports: Sequence[Mapping], rows: Sequence[Mapping]) -> None:
        # Also the pause of a row that is in no list at the moment.
        keys = {pause_key(mapping) for mapping in (*ports, *rows)} & set(self._store.pauses.known)
        self._store.pauses.remove(keys)
        self._apply(EventKind.RESUMED, [row for row in rows if pause_key(row) in keys])

    def _apply(self, kind: EventKind, rows: Iterable[Mapping]) -> None:
        self._store.catch_up()
        for row in dict.fromkeys(rows):
            self._publisher.publish(self._event(kind, row))
        self._changed()

    def _event(self, kind: EventKind, row: Mapping) -> Event:
        return Event(
            at=self._clock.now(),
            kind=kind,
            protocol=row.protocol,
            family=row.family,
            internal_port=row.internal_port,
            wanted_external_port=row.port,
            comment=row.comment,
            source=row.source,
        )

    def _rows_at(self, ports: Iterable[Mapping]) -> list[list[Mapping]]:
        """Return the rows with each external port, requested or granted, else those for any port there."""
        by_port: defaultdict[Port, list[Mapping]] = defaultdict(list)
        by_internal_port: defaultdict[Port, list[Mapping]] = defaultdict(list)
        for row in self._gatekeeper.mappings:
            if row.source == COMMAND_LINE:
                continue
            for number in self._ports_of(row):
                by_port[row.protocol, number].append(row)
            if row.port == ANY_PORT:
                by_internal_port[row.protocol, row.internal_port].append(row)
        return [
            by_port.get((port.protocol, port.port))
            or by_internal_port.get((port.protocol, port.internal_port), [])
            for port in ports
        ]

    def _ports_of(self, row: Mapping) -> set[int]:
        granted = {entry.lease.external_port for entry in self._records_of(row) if entry.lease}
        return granted | {row.port} - {ANY_PORT}

    def _records_of(self, row: Mapping) -> list[Record]:
        return records_of(self._scheduler.records, row)

    def _are_held(self, tokens: Iterable[bytes]) -> bool:
        return any(self._store.get(token) is not None for token in tokens)

    def _paused(self, port: Mapping, rows: Sequence[Mapping], tokens: Sequence[bytes]) -> tuple[str, str]:
        if self._are_held(tokens):
            return "paused", "the gateway has not closed it yet; the daemon keeps trying"
        return ("paused", "") if rows else ("unknown", self._why_unknown(port))

    def _resumed(self, port: Mapping, rows: Sequence[Mapping]) -> tuple[str, str]:
        known = self._store.pauses.known
        if pause_key(port) in known or any(pause_key(row) in known for row in rows):
            return "resumed", ""
        return ("not_paused", "") if rows else ("unknown", self._why_unknown(port))

    def _why_unknown(self, port: Mapping) -> str:
        for row in self._gatekeeper.mappings:
            if row.source == COMMAND_LINE and row.protocol is port.protocol and row.port == port.port:
                return "'portmapper open' requested it. Close it with 'portmapper close'."
        return "no list has it. 'portmapper status' shows the ports."


def _answer(port: Mapping, result: str, detail: str) -> dict[str, Any]:
    return {"protocol": port.protocol.value, "port": port.port, "result": result, "detail": detail}
