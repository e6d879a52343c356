"""What other programs may change while a daemon runs: open and close ports, pause and resume rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from portmapper.api.errors import UsageError
from portmapper.sources.adhoc import parse_records

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from portmapper.api.model import MappingKey
    from portmapper.daemon.election import Election
    from portmapper.observability.status import Document
    from portmapper.scheduler.record import Record
    from portmapper.sources.policy import Policy
    from portmapper.support.clock import Clock

START_LIMIT = 8.0
"""Seconds that a request waits for a daemon that still reads its sources."""


class OpensPorts(Protocol):
    """What this module needs of `portmapper.daemon.requests`."""

    async def open(self, records: object, policy: Policy) -> list[Record]:
        """Keep these mappings open; return when each is open or refused."""

    async def close(self, records: object) -> list[dict[str, Any]]:
        """Close these ports, and return the result for each."""


class PausesRows(Protocol):
    """What this module needs of `portmapper.daemon.pausing`."""

    async def pause(self, records: object) -> list[dict[str, Any]]:
        """Close rows, and return the result for each."""

    async def resume(self, records: object) -> list[dict[str, Any]]:
        """Open paused rows again, and return the result for each."""


class Changes:
    """Carries out requests, once the sources have been read and unless this daemon is on standby."""

    def __init__(
        self,
        requests: OpensPorts,
        pausing: PausesRows,
        started: asyncio.Event,
        election: Election,
        document_of: Callable[[Iterable[MappingKey], Iterable[MappingKey]], Document],
        clock: Clock,
        policy: Callable[[], Policy],
    ) -> None:
        """Serve the requests of one daemon.

        Args:
            requests: opens and closes ports.
            pausing: pauses and resumes rows.
            started: set once the sources have been read.
            election: knows whether this daemon is on standby.
            document_of: returns the status document of opened and of requested mappings.
            clock: limits how long a request waits.
            policy: returns the policy in effect.
        """
        self._requests = requests
        self._pausing = pausing
        self._started = started
        self._election = election
        self._document_of = document_of
        self._clock = clock
        self._policy = policy

    async def open(self, records: object) -> Document:
        """Keep these mappings open until `close`, and return their status. Raises `UsageError`."""
        await self._until_may_change()
        entries = await self._requests.open(records, self._policy())
        requested = [mapping.key for mapping in parse_records(records)]
        return self._document_of([entry.mapping.key for entry in entries], requested)

    async def close(self, records: object) -> Document:
        """Close ports that `open` requested, and return the results. Raises `UsageError`."""
        await self._until_may_change()
        return {"ports": await self._requests.close(records)}

    async def pause(self, records: object) -> Document:
        """Close rows of lists until they are resumed, and return the results. Raises `UsageError`."""
        await self._until_may_change()
        return {"ports": await self._pausing.pause(records)}

    async def resume(self, records: object) -> Document:
        """Open paused rows again, and return the results. Raises `UsageError`."""
        await self._until_may_change()
        return {"ports": await self._pausing.resume(records)}

    async def _until_may_change(self) -> None:
        """Wait until the sources have been read. Raise `UsageError` if that takes too long, or on standby."""
        if not await self._clock.wait(self._started, START_LIMIT):
            raise UsageError("the daemon is still reading its sources; try again later")
        self._election.refuse_on_standby()
