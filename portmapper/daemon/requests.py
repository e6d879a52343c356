"""Requests of other programs to a running daemon: open ports until they are closed, and close them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from portmapper.api.model import Lease, Mapping
from portmapper.daemon.answers import until
from portmapper.daemon.leftovers import Port, close_leftovers
from portmapper.scheduler.record import Record, records_of
from portmapper.scheduler.scheduler import Scheduler
from portmapper.sources.adhoc import COMMAND_LINE, AdhocMappings, check_policy, parse_records, to_record
from portmapper.sources.policy import Policy
from portmapper.store.interface import LeaseStore


class Requests:
    """Opens and closes mappings that no source lists."""

    def __init__(
        self, scheduler: Scheduler, store: LeaseStore, requested: AdhocMappings, changed: Callable[[], None]
    ) -> None:
        """Serve the requests of one daemon.

        Args:
            scheduler: the daemon's scheduler.
            store: the daemon's lease store.
            requested: the mappings that `open` has requested so far.
            changed: called after the requested mappings have changed.
        """
        self._scheduler = scheduler
        self._store = store
        self._requested = requested
        self._changed = changed

    async def open(self, records: object, policy: Policy) -> list[Record]:
        """Keep these mappings open; return when each is open or refused, or after `ANSWER_LIMIT`.

        Raises:
            UsageError: a record is invalid, or the policy denies it.
        """
        mappings = parse_records(records)
        check_policy(mappings, policy, lambda: self._scheduler.network)
        self._requested.add(mappings)
        self._changed()

        def entries() -> list[Record]:
            return [entry for mapping in mappings for entry in records_of(self._scheduler.records, mapping)]

        await until(
            lambda: (
                not self._scheduler.is_incomplete
                and all(entry.lease or entry.attempts for entry in entries())
            )
        )
        return entries()

    async def close(self, records: object) -> list[dict[str, Any]]:
        """Close these ports if `open` requested them, with all that this host has there; return each result.

        Raises:
            UsageError: a record is invalid.
        """
        ports = parse_records(records)
        found = {index: list(self._requested_at(port)) for index, port in enumerate(ports)}
        tokens = {
            index: [lease.token for mapping in requested for lease in self._leases_of(mapping)]
            for index, requested in found.items()
        }
        self._requested.remove(mapping for requested in found.values() for mapping in requested)
        self._changed()
        await self._scheduler.taken()
        await until(lambda: not any(self._are_held(known) for known in tokens.values()))
        failures = await self._close_leftovers(port for index, port in enumerate(ports) if found[index])
        return [
            {
                "protocol": port.protocol.value,
                "port": port.port,
                **self._result(
                    port, found[index], tokens[index], failures.get((port.protocol, port.port), "")
                ),
                "records": [to_record(mapping) for mapping in found[index]],
            }
            for index, port in enumerate(ports)
        ]

    async def _close_leftovers(self, closed: Iterable[Mapping]) -> dict[Port, str]:
        """Close what this host has besides at these ports, unless a listed mapping holds it."""
        leases = (entry.lease for entry in self._scheduler.records.values() if entry.lease)
        held = {(lease.protocol, lease.external_port) for lease in leases}
        ports = {(port.protocol, port.port) for port in closed} - held
        known = self._scheduler.discovery.gateways
        return await close_leftovers(known, ports, self._scheduler.network.is_ours)

    def _result(
        self, port: Mapping, requested: Sequence[Mapping], tokens: Sequence[bytes], failure: str
    ) -> dict[str, Any]:
        listed = next((e.mapping.source for e in self._listed_at(port)), None)
        if listed is not None:
            return {"result": "listed", "detail": f"{listed} lists it: remove or pause the row"}
        if self._are_held(tokens):
            return {"result": "failed", "detail": "the gateway did not answer; the daemon keeps trying"}
        if failure:
            return {"result": "failed", "detail": f"another entry of this host stays open: {failure}"}
        return {"result": "closed" if requested else "unknown", "detail": ""}

    def _requested_at(self, port: Mapping) -> Iterator[Mapping]:
        """Yield the requested mappings at an external port, desired or granted."""
        for mapping in self._requested.mappings:
            ports = {mapping.port, *(lease.external_port for lease in self._leases_of(mapping))}
            if mapping.protocol is port.protocol and port.port in ports:
                yield mapping

    def _leases_of(self, mapping: Mapping) -> list[Lease]:
        return [entry.lease for entry in records_of(self._scheduler.records, mapping) if entry.lease]

    def _listed_at(self, port: Mapping) -> Iterator[Record]:
        for entry in self._scheduler.records.values():
            ports = {entry.mapping.port, entry.lease.external_port if entry.lease else entry.mapping.port}
            matches = entry.mapping.protocol is port.protocol and port.port in ports
            if matches and entry.mapping.source != COMMAND_LINE:
                yield entry

    def _are_held(self, tokens: Iterable[bytes]) -> bool:
        """Return whether one of these leases is not released yet, and not adopted by a listed mapping."""
        held = {entry.lease.token for entry in self._scheduler.records.values() if entry.lease}
        return any(token not in held and self._store.get(token) is not None for token in tokens)
