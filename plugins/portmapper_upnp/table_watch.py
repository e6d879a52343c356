"""Finds out with few packets whether a gateway's table may have changed."""

from __future__ import annotations

import time

from portmapper_upnp.beacon import boot_id
from portmapper_upnp.connection import WanConnection
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.soap_call import read_number
from portmapper_upnp.soap_fault import Fault
from portmapper_upnp.table import END

COUNT = "PortMappingNumberOfEntries"

QUIET_CHECKS = 6
"""While events arrive, the table itself is queried only at each sixth check: a lost event delays no more."""

SETTLED = 2.0
"""Seconds after our own change in which the number of entries in events means nothing."""

MAX_STEPS = 40
"""Queries to find the end of the table, which doubles and then halves the distance."""

_IDENTITY = ("NewRemoteHost", "NewExternalPort", "NewProtocol", "NewInternalClient", "NewInternalPort")

Row = tuple[str | None, ...]


class TableWatch:
    """What is known of the table's end, and of our own changes to its length.

    The last row is a good witness: it is gone or another one after any row was removed, and also after the
    gateway lost its table.

    Attributes:
        unreadable: the table has no end that can be found, so it has to be verified each time.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._boot_id = endpoint.boot_id
        self._length = 0
        self._last: Row | None = None
        self._quiet = QUIET_CHECKS
        self.unreadable = False
        self._checked = False
        self._ours_at = 0.0

    def added(self) -> None:
        """Note an entry that we added."""
        self._length += 1
        self._ours_at = time.monotonic()

    def renewed(self) -> None:
        """Note an entry that we renewed. Those of an earlier run are known from it until the first check."""
        if not self._checked:
            self._length += 1

    def removed(self) -> None:
        """Note an entry that we removed."""
        self._length = max(0, self._length - 1)
        self._ours_at = time.monotonic()

    def shrank(self, count: str) -> bool:
        """Return whether someone else removed an entry; `count` is the length that an event tells.

        Right after our own changes the events tell of those, and some gateways lose an event while another
        one is under way. Then the next check shows what happened.
        """
        if time.monotonic() - self._ours_at < SETTLED:
            return False
        before, self._length = self._length, read_number(count, 65535)
        self._last = None
        return self._length < before

    async def changed(self, connection: WanConnection, *, events: bool) -> bool:
        """Return whether the table may have changed since the last call.

        Args:
            connection: the service.
            events: the gateway sends events, so it would have told of a change.
        """
        if self.unreadable:
            return True
        self._checked = True
        if events and self._quiet < QUIET_CHECKS:
            restarted = await self._has_restarted()
            if restarted is not None:
                self._quiet = QUIET_CHECKS if restarted else self._quiet + 1
                return restarted
        self._quiet = 0
        return await self._last_row_changed(connection)

    async def _has_restarted(self) -> bool | None:
        """Return whether the gateway restarted since the last answer; None if it does not tell."""
        now = await boot_id(self._endpoint)
        before, self._boot_id = self._boot_id, now or self._boot_id
        return before != now if before and now else None

    async def _last_row_changed(self, connection: WanConnection) -> bool:
        try:
            if self._last is None:
                ours = self._length
                await self._find_end(connection)
                return self._length < ours
            row = await self._row(connection, self._length - 1) if self._length else None
            if row is not None and row == self._last:
                return False
            await self._find_end(connection)
        except Fault:
            self.unreadable = True
        return True

    async def _find_end(self, connection: WanConnection) -> None:
        """Find the last row, near the length that is expected. Raise `Fault` if the table has no end."""
        low, high, step = 0, None, 1  # rows below `low` exist, and row `high` does not
        rows: dict[int, Row] = {}
        at = max(self._length - 1, 0)
        for _ in range(MAX_STEPS):
            row = await self._row(connection, at)
            if row is None:
                high = at
            else:
                if row in rows.values():
                    break  # some gateways repeat a row for every index beyond the end
                low, rows[at] = at + 1, row
            if high is not None and low >= high:
                self._length, self._last = low, rows.get(low - 1)
                return
            at = min(at + step, 65535) if high is None else (low + high) // 2
            step *= 2
        raise Fault(0, "the table has no end")

    async def _row(self, connection: WanConnection, index: int) -> Row | None:
        """Return a row, None beyond the end of the table. Raise `Fault` if the gateway shows no rows."""
        try:
            answer = await connection.generic_entry(index)
        except Fault as fault:
            if fault.number in END:
                return None
            raise
        return tuple(map(answer.get, _IDENTITY))
