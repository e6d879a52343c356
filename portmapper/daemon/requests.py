"""What other programs ask of a running daemon: to open ports until they are closed, and to close them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from portmapper.api.model import Lease, Mapping
from portmapper.scheduler.lease_state import LeaseState, entries_of
from portmapper.scheduler.scheduler import Scheduler
from portmapper.sources.adhoc import COMMAND_LINE, AdhocMappings, check_policy, parse_records
from portmapper.sources.policy import Policy
from portmapper.store.leases import Store

PATIENCE = 8.0
"""Seconds that an answer waits for the gateway: less than who asked waits for the answer."""

LOOK_AGAIN = 0.02
"""Seconds between two looks at what is waited for."""


class Requests:
    """Opens and closes what no source lists."""

    def __init__(
        self, scheduler: Scheduler, store: Store, requested: AdhocMappings, changed: Callable[[], None]
    ) -> None:
        """Serve a daemon.

        Args:
            scheduler: the daemon's.
            store: the daemon's.
            asked: what was asked for so far.
            changed: called when another list of mappings is wanted.
        """
        self._scheduler = scheduler
        self._store = store
        self._asked = requested
        self._changed = changed

    async def open(self, records: object, policy: Policy) -> list[LeaseState]:
        """Keep these open from now on; returns when each is open or was refused, or after some seconds.

        Raises:
            UsageError: a record is wrong, or the policy denies it.
        """
        mappings = parse_records(records)
        check_policy(mappings, policy)
        self._asked.add(mappings)
        self._changed()

        def entries() -> list[LeaseState]:
            return [entry for mapping in mappings for entry in entries_of(self._scheduler.entries, mapping)]

        await _until(
            lambda: (
                not self._scheduler.is_searching
                and all(entry.lease or entry.attempts or entry.removed for entry in entries())
            )
        )
        return entries()

    async def close(self, records: object) -> list[dict[str, Any]]:
        """Close these ports, if `open` asked for them, and tell of each what became of it.

        Raises:
            UsageError: a record is wrong.
        """
        ports = parse_records(records)
        found = {place: list(self._at(port)) for place, port in enumerate(ports)}
        tokens = {
            place: [lease.token for mapping in requested for lease in self._leases_of(mapping)]
            for place, requested in found.items()
        }
        self._asked.remove(mapping for requested in found.values() for mapping in requested)
        self._changed()
        await _until(lambda: not any(self._stand(known) for known in tokens.values()))
        return [
            {
                "protocol": port.protocol.value,
                "port": port.port,
                **self._outcome(port, found[place], tokens[place]),
            }
            for place, port in enumerate(ports)
        ]

    def _outcome(
        self, port: Mapping, requested: Sequence[Mapping], tokens: Sequence[bytes]
    ) -> dict[str, Any]:
        listed = next((e.mapping.source for e in self._entries_at(port)), None)
        if listed is not None:
            return {"result": "listed", "detail": f"{listed} lists it"}
        if self._stand(tokens):
            return {"result": "failed", "detail": "the gateway did not answer; the daemon goes on trying"}
        return {"result": "closed" if requested else "unknown", "detail": ""}

    def _at(self, port: Mapping) -> Iterator[Mapping]:
        """Yield what was asked for at an external port, wanted or granted."""
        for mapping in self._asked.mappings:
            ports = {mapping.port, *(lease.external_port for lease in self._leases_of(mapping))}
            if mapping.protocol is port.protocol and port.port in ports:
                yield mapping

    def _leases_of(self, mapping: Mapping) -> list[Lease]:
        return [entry.lease for entry in entries_of(self._scheduler.entries, mapping) if entry.lease]

    def _entries_at(self, port: Mapping) -> Iterator[LeaseState]:
        for entry in self._scheduler.entries.values():
            ports = {entry.mapping.port, entry.lease.external_port if entry.lease else entry.mapping.port}
            desired = entry.mapping.protocol is port.protocol and port.port in ports
            if desired and entry.mapping.source != COMMAND_LINE:
                yield entry

    def _stand(self, tokens: Iterable[bytes]) -> bool:
        """Tell whether one of these leases is not released yet, and no source's entry has taken it over."""
        held = {entry.lease.token for entry in self._scheduler.entries.values() if entry.lease}
        return any(token not in held and self._store.get(token) is not None for token in tokens)


async def _until(condition: Callable[[], object]) -> None:
    """Wait for what gateways decide; nobody announces an adoption, so it is looked for."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - see above
                await asyncio.sleep(LOOK_AGAIN)
    except TimeoutError:
        return
