"""The lease store and the journal: one SQLite file that survives a crash at any write."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from operator import attrgetter
from pathlib import Path
from typing import Any

import attrs

from portmapper.api.errors import StoreError
from portmapper.api.events import Event
from portmapper.store.adhoc_table import AdhocTable
from portmapper.store.batches import Batches, CallSoon
from portmapper.store.damage import STORE_FAILURES, is_damaged, is_locked, open_or_replace, set_aside
from portmapper.store.device_table import DeviceTable
from portmapper.store.gateway_table import GatewayTable
from portmapper.store.journal_table import JournalTable, latest
from portmapper.store.lease_rows import lease_rows, write_lease
from portmapper.store.pause_table import PauseTable
from portmapper.store.port_table import PortTable
from portmapper.store.schema import LEASE_STORE
from portmapper.store.sqlite import (
    LOCK_LIMIT_RUNNING,
    cannot_write,
    file_at,
    open_database,
    open_to_read,
    wait_for_locks,
)
from portmapper.store.stored_lease import AnyPort, StoredLease

_Table = DeviceTable | PauseTable | GatewayTable | PortTable | AdhocTable
"""Tables that know what the file lacks."""

FILE_NAME = "leases.sqlite3"
LEASES, JOURNAL = "the lease store", "the journal"

_NO_FILE = (-1, -1)
"""A value that `file_at` returns for no file."""

_fields = attrgetter(*(field.name for field in attrs.fields(StoredLease)))

_log = logging.getLogger(__name__)


class Store:
    """Every lease that a gateway may hold, with what is needed to renew and release it.

    What a release may close is written at once. The rest may be written later, see `batching`. A request is
    sent only after `written`, because a crash must not lose a port that may be open.

    The leases are also in memory. If the disk is full or read-only, ports stay open, and the file is updated
    as soon as it can be written.

    Attributes:
        damage: report of a damaged file that was set aside, or empty.
        on_write_failure: called whenever a write fails; `catch_up` tries it again.
    """

    def __init__(self, path: Path | None, *, must_write: bool = True) -> None:
        """Open the store.

        Args:
            path: the file; None keeps everything in memory.
            must_write: treat a full or read-only disk as an error. Otherwise the file's content is kept in
                memory and written as soon as possible. A file that another process has locked is kept in
                memory in any case, and a damaged file is set aside.

        Raises:
            StoreError: the file cannot be opened, or a newer version wrote it.
        """
        self.on_write_failure: Callable[[], None] = lambda: None
        self._path = path
        self._errors: dict[str, str] = {}
        self._leases: dict[bytes, StoredLease] = {}
        self._behind: set[bytes] = set()
        self._events: list[Event] = []
        self._batches = Batches(self._write)
        self.devices = DeviceTable()
        self.gateways = GatewayTable()
        self.pauses = PauseTable()
        self._ports = PortTable()
        self._adhoc = AdhocTable()
        self._journal = JournalTable()
        self._tables = (self.devices, self.pauses, self.gateways, self._ports, self._adhoc)
        self.damage = ""
        self._open(path, must_write=must_write)

    def _open(self, path: Path | None, *, must_write: bool) -> None:
        try:
            self._database, self.damage = open_or_replace(
                path, lambda: open_database(path, LEASE_STORE), self._load
            )
            self._file = file_at(path)
        except STORE_FAILURES as error:
            # A ValueError: a newer version wrote the file, which stays as it is.
            may_wait = cannot_write(error) or isinstance(error, ValueError)
            may_continue = is_locked(error) or (may_wait and not must_write)
            if path is None or not may_continue:
                raise StoreError(_cannot_open(path, error)) from error
            self._work_in_memory(path, error)

    @property
    def error(self) -> str | None:
        """Why the file is not up to date, or None."""
        return next(iter(self._errors.values()), None)

    @property
    def leases(self) -> Iterable[StoredLease]:
        """All leases, confirmed or not."""
        return tuple(self._leases.values())

    @property
    def last_event_id(self) -> int:
        """The id of the latest event in the journal; 0 without one."""
        self._batches.write_now()
        return self._journal.last_id(self._database)

    def get(self, token: bytes) -> StoredLease | None:
        """Return the lease with that token, or None."""
        return self._leases.get(token)

    def put(self, stored: StoredLease) -> None:
        """Store a lease, in place of an earlier one with the same token."""
        self._leases[stored.lease.token] = stored
        self._behind.add(stored.lease.token)
        if stored.disturbed:
            self._batches.write_now()
        else:
            self._batches.write_soon()

    async def written(self) -> None:
        """Wait until the file has all leases, or cannot be written.

        All requests of one cycle of the event loop share a transaction.
        """
        await self._batches.written()

    def remove(self, token: bytes) -> None:
        """Remove a lease that was released or has expired."""
        if self._leases.pop(token, None) is not None:
            self._behind.add(token)
            self._batches.write_soon()

    @property
    def ports(self) -> dict[AnyPort, int]:
        """The last external port of each mapping that accepts any port; `remember_port` adds to it."""
        return self._ports.known

    def remember_port(self, mapping: AnyPort, external_port: int) -> None:
        """Remember which external port was granted, so that it can be requested again."""
        self._ports.remember(mapping, external_port)
        if self._ports.changed:
            self._batches.write_soon()

    @property
    def adhoc(self) -> tuple[str, ...]:
        """The ad-hoc mappings, one JSON record each."""
        return self._adhoc.records

    @adhoc.setter
    def adhoc(self, records: tuple[str, ...]) -> None:
        self._adhoc.replace(records)
        self._try(self._catch_up)

    def record(self, event: Event) -> None:
        """Add an event to the journal."""
        self._events.append(event)
        self._batches.write_soon()

    def history(self, limit: int, before: int | None = None, after: int = 0) -> list[dict[str, Any]]:
        """Return the latest events in the format of `history`, as `latest` does.

        Raises:
            StoreError: the journal is damaged.
        """
        self._batches.write_now()
        try:
            return latest(self._database, limit, before, after)
        except sqlite3.Error as error:
            raise StoreError(f"cannot read the journal: {error}") from error

    def catch_up(self) -> None:
        """Write what the file lacks, if possible; events that could not be written are lost."""
        self._batches.write_now()
        if JOURNAL in self._errors:
            self._try(self._write_nothing, JOURNAL)

    def batching(self, call_soon: CallSoon) -> AbstractContextManager[None]:
        """Write in batches inside the context, all of one cycle of the event loop at once.

        A crash before the next cycle loses answers and events. The requests of such leases are on the disk,
        so the next run treats them as leases whose answer was lost.
        """
        return self._batches.gathered(call_soon)

    def close(self) -> None:
        """Bring the file up to date and close it."""
        self.catch_up()
        self._database.close()

    def _load(self, database: sqlite3.Connection) -> None:
        self._adhoc.read(database)
        self.devices.read(database)
        self._ports.read(database)
        self._leases = {row[0].token: StoredLease(*row) for row in lease_rows(database)}
        # Last: a file of an earlier version that cannot be written has no such tables.
        self.pauses.read(database)
        self.gateways.read(database)

    def _work_in_memory(self, path: Path, reason: Exception) -> None:
        """Load the file's content into memory, to be written again as soon as possible."""
        self._database = open_database(None, LEASE_STORE)
        self._file = _NO_FILE
        with contextlib.suppress(*STORE_FAILURES), open_to_read(path) as database:
            self._load(database)
        self._note_failure(LEASES, reason)

    def _write(self) -> None:
        if not self._write_together():
            self._write_apart()

    def _write_together(self) -> bool:
        """Write leases and events in one transaction; return whether that succeeded."""
        if self._errors or not self._events:
            return False
        try:
            self._catch_up(self._events)
        except STORE_FAILURES:
            return False
        self._events.clear()
        return True

    def _write_apart(self) -> None:
        """Write leases and events each on their own: damage to the journal must not lose a lease."""
        self._try(self._catch_up)
        if self._events:
            self._try(self._add_events, JOURNAL)
            self._events.clear()

    def _add_events(self) -> None:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._journal.add(self._database, self._events)

    def _catch_up(self, events: Sequence[Event] = ()) -> None:
        """Write everything that the file lacks, and these events, in one transaction."""
        tables = self._changed_tables
        if not self._behind and not tables and not events and self._file != _NO_FILE:
            return
        if file_at(self._path) != self._file:
            self._recreate_file()
            tables = self._changed_tables
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            for table in tables:
                table.write(self._database)
            for token in self._behind:
                stored = self._leases.get(token)
                write_lease(self._database, token, _fields(stored) if stored else None)
            self._journal.add(self._database, events)
        self._behind.clear()
        for table in tables:
            table.changed = False

    @property
    def _changed_tables(self) -> list[_Table]:
        """The tables that the file lacks something of."""
        return [table for table in self._tables if table.changed]

    def _write_nothing(self) -> None:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(f"PRAGMA user_version = {LEASE_STORE.version}")

    def _recreate_file(self) -> None:
        """Write everything into a new file; without it, a removed store would be lost with this process."""
        database = open_database(self._path, LEASE_STORE, LOCK_LIMIT_RUNNING)
        self._database.close()
        before = self._file
        self._database, self._file = database, file_at(self._path)
        self._behind.update(self._leases)
        for table in self._tables:
            table.changed = True
        if before != _NO_FILE:
            _log.warning("the lease store was removed or replaced; recreated it with all leases")

    def _try(self, write: Callable[[], object], what: str = LEASES) -> None:
        """Write and note a failure; a full disk must not close a port."""
        try:
            write()
        except STORE_FAILURES as error:
            self._note_failure(what, error)
        else:
            if what in self._errors:
                self._errors.clear()  # both are in one file, so the other can be written too
                wait_for_locks(self._database, LOCK_LIMIT_RUNNING)
                _log.info("%s can be written again", what)

    def _note_failure(self, what: str, error: Exception) -> None:
        if what not in self._errors:
            _log.error("cannot write %s, ports stay open without it: %s", what, error)
        self._errors[what] = f"cannot write {what}: {error}"
        if is_locked(error):
            wait_for_locks(self._database, 0)  # waiting again and again would delay everything else
        elif what == LEASES and self._path and not self.damage and is_damaged(error):
            self._set_aside(self._path, error)
        self.on_write_failure()

    def _set_aside(self, path: Path, error: Exception) -> None:
        """Make room for a new file; the next attempt writes it with all leases."""
        with contextlib.suppress(OSError):
            self.damage = set_aside(path, error)


def _cannot_open(path: Path | None, error: Exception) -> str:
    is_denied = isinstance(error, OSError) and not cannot_write(error)
    advice = ". Use a directory that you can write: --state-dir" if is_denied else ""
    return f"cannot open the lease store {path}: {error}{advice}"
