"""The lease store and the journal: one SQLite file that survives a crash at any write."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from portmapper.api.errors import StoreError
from portmapper.api.events import Event
from portmapper.api.model import IPAddress, Lease, Protocol
from portmapper.store.journal_table import JournalTable, latest
from portmapper.store.sqlite import cannot_write, file_at, open_database, open_to_read
from portmapper.support.text import storable

FILE_NAME = "leases.sqlite3"
LEASES, JOURNAL = "the lease store", "the journal"

LONGEST_UNSEEN = 86400
"""Seconds that a grant may last whose answer was lost: a gateway may give more than was asked for, and
RFC 6887 section 15 lets it give a day."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS leases (
    token BLOB PRIMARY KEY, protocol TEXT NOT NULL,
    internal_address TEXT NOT NULL, internal_port INTEGER NOT NULL,
    wanted_port INTEGER NOT NULL, external_port INTEGER NOT NULL, external_address TEXT,
    lifetime INTEGER NOT NULL, permanent INTEGER NOT NULL,
    backend TEXT NOT NULL, gateway TEXT NOT NULL, private TEXT NOT NULL,
    confirmed INTEGER NOT NULL, granted_at REAL NOT NULL, source TEXT NOT NULL, comment TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    at REAL NOT NULL, event TEXT NOT NULL, protocol TEXT, external_port INTEGER,
    internal_address TEXT, internal_port INTEGER,
    backend TEXT NOT NULL, gateway TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS journal_at ON journal (at);
CREATE TABLE IF NOT EXISTS adhoc (record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ports (
    protocol TEXT NOT NULL, address TEXT NOT NULL, internal_port INTEGER NOT NULL,
    external_port INTEGER NOT NULL, PRIMARY KEY (protocol, address, internal_port)
);
"""
_VERSION = 3
"""1: leases and journal. 2: what `open` asked for. 3: the last port of who takes any. The schema only grows:
bringing a file up to date is to create what it lacks, and a cut in that is made good at the next start."""
PORTS_REMEMBERED = 1000
"""Mappings of any external port whose last one is kept in mind; the oldest are forgotten."""

_FORGET_PORT = "DELETE FROM ports WHERE (protocol, address, internal_port) = (?, ?, ?)"
AnyPort = tuple[Protocol, str, int]
"""A mapping of any external port: its protocol, its address as wanted, and its internal port."""

_NO_FILE = (-1, -1)
"""As `file_at` tells files apart: none is this one."""

_INSERT_LEASE = f"INSERT OR REPLACE INTO leases VALUES ({', '.join('?' * 16)})"

_log = logging.getLogger(__name__)


@attrs.frozen
class StoredLease:
    """A lease as the store knows it.

    Attributes:
        lease: what was granted, or asked for when `confirmed` is false.
        wanted_port: the external port that the mapping wants.
        granted_at: wall-clock time of the grant (or of the request).
        confirmed: the gateway's answer was seen; else it may or may not hold it.
        source: location that listed the mapping.
        comment: the mapping's comment.
    """

    lease: Lease
    wanted_port: int
    granted_at: datetime
    confirmed: bool = True
    source: str = ""
    comment: str = ""

    @property
    def runs_out_at(self) -> datetime:
        """When a lease that is not permanent runs out by itself, at the latest; wall-clock time."""
        lifetime = self.lease.lifetime if self.confirmed else max(self.lease.lifetime, LONGEST_UNSEEN)
        return self.granted_at + timedelta(seconds=lifetime)

    def expired(self, now: datetime) -> bool:
        """Tell whether it has run out by itself."""
        return not self.lease.permanent and now >= self.runs_out_at


class Store:
    """Every lease that may stand on a gateway, with what is needed to renew and release it.

    The leases live in memory too: when the disk is full or read-only, ports stay open and the file
    is written again when it can be.

    Attributes:
        ports: the external port that each mapping of any port was given last; `remember_port` adds to it.
        failed: called whenever something cannot be written; `catch_up` tries again.
    """

    def __init__(self, path: Path | None, *, must_write: bool = True) -> None:
        """Open the store.

        Args:
            path: the file; None keeps everything in memory.
            must_write: a disk that is full or read-only is an error, too. Else what the file has is kept in
                memory, and written as soon as there is room.

        Raises:
            StoreError: the file cannot be opened, or is of a newer version.
        """
        self.failed: Callable[[], None] = lambda: None
        self._path = path
        self._errors: dict[str, str] = {}
        self._leases: dict[bytes, StoredLease] = {}
        self._behind: set[bytes] = set()
        self._adhoc_behind = False
        self.ports: dict[AnyPort, int] = {}
        self._ports_behind: set[AnyPort] = set()
        self._adhoc: tuple[str, ...] = ()
        self._journal = JournalTable()
        try:
            self._database = open_database(path, _SCHEMA, _VERSION)
            self._file = file_at(path)
            self._take_over(self._database)
        except (sqlite3.Error, ValueError, OSError) as error:
            if path is None or must_write or not cannot_write(error):
                raise StoreError(f"cannot open the lease store {path}: {error}") from error
            self._do_without(path, error)

    @property
    def error(self) -> str | None:
        """Why the file is not up to date, None when it is."""
        return next(iter(self._errors.values()), None)

    @property
    def leases(self) -> Iterable[StoredLease]:
        """Every lease known, confirmed or not."""
        return tuple(self._leases.values())

    def get(self, token: bytes) -> StoredLease | None:
        """Return the lease of that token, if it is known."""
        return self._leases.get(token)

    def put(self, stored: StoredLease) -> None:
        """Write a lease down, in place of an earlier one with its token."""
        self._leases[stored.lease.token] = stored
        self._write(stored.lease.token)

    def remove(self, token: bytes) -> None:
        """Forget a lease that is released or has run out."""
        if self._leases.pop(token, None) is not None:
            self._write(token)

    def remember_port(self, mapping: AnyPort, external_port: int) -> None:
        """Keep in mind which external port was given, so that it can be asked for again."""
        if self.ports.get(mapping) == external_port:
            return
        self.ports[mapping] = external_port
        if len(self.ports) > PORTS_REMEMBERED:
            oldest = next(iter(self.ports))
            del self.ports[oldest]
            self._ports_behind.add(oldest)
        self._ports_behind.add(mapping)
        self._try(self._catch_up)

    @property
    def adhoc(self) -> tuple[str, ...]:
        """What `open` asked for, one JSON record each."""
        return self._adhoc

    @adhoc.setter
    def adhoc(self, records: tuple[str, ...]) -> None:
        self._adhoc = records
        self._adhoc_behind = True
        self._try(self._catch_up)

    def record(self, event: Event) -> None:
        """Add an event to the journal."""
        self._try(lambda: self._journal.add(self._database, event), JOURNAL)

    def history(self, limit: int) -> list[dict[str, Any]]:
        """Return the latest events as the contract's `history` has them, the oldest first.

        Raises:
            StoreError: the journal is damaged.
        """
        try:
            return latest(self._database, limit)
        except sqlite3.Error as error:
            raise StoreError(f"cannot read the journal: {error}") from error

    def catch_up(self) -> None:
        """Write what the file lacks, if there is room now. Events that found none are lost."""
        self._try(self._catch_up)
        if JOURNAL in self._errors:
            self._try(self._write_nothing, JOURNAL)

    def close(self) -> None:
        """Bring the file up to date and close it."""
        self.catch_up()
        self._database.close()

    def _take_over(self, database: sqlite3.Connection) -> None:
        self._adhoc = tuple(text for (text,) in database.execute("SELECT record FROM adhoc"))
        self.ports = _read_ports(database)
        self._leases = {stored.lease.token: stored for stored in _read(database)}

    def _do_without(self, path: Path, reason: Exception) -> None:
        """Keep in memory what the file has, which is written anew as soon as it can be."""
        self._database = open_database(None, _SCHEMA, _VERSION)
        self._file = _NO_FILE
        with contextlib.suppress(sqlite3.Error, OSError), open_to_read(path) as database:
            self._take_over(database)
        self._note_failure(LEASES, reason)

    def _write(self, token: bytes) -> None:
        self._behind.add(token)
        self._try(self._catch_up)

    def _catch_up(self) -> None:
        """Write all that the file lacks, in one transaction."""
        if not (self._behind or self._adhoc_behind or self._ports_behind or self._file == _NO_FILE):
            return
        if file_at(self._path) != self._file:
            self._begin_anew()
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            if self._adhoc_behind:
                self._database.execute("DELETE FROM adhoc")
                self._database.executemany("INSERT INTO adhoc VALUES (?)", [(text,) for text in self._adhoc])
            for token in self._behind:
                stored = self._leases.get(token)
                if stored is None:
                    self._database.execute("DELETE FROM leases WHERE token = ?", (token,))
                else:
                    self._database.execute(_INSERT_LEASE, _lease_row(stored))
            for use in self._ports_behind:
                self._database.execute(_FORGET_PORT, use)
                if use in self.ports:
                    self._database.execute("INSERT INTO ports VALUES (?, ?, ?, ?)", (*use, self.ports[use]))
        self._behind.clear()
        self._ports_behind.clear()
        self._adhoc_behind = False

    def _write_nothing(self) -> None:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(f"PRAGMA user_version = {_VERSION}")

    def _begin_anew(self) -> None:
        """Write all into a new file: what somebody removed would be lost with this process."""
        database = open_database(self._path, _SCHEMA, _VERSION)
        self._database.close()
        before = self._file
        self._database, self._file = database, file_at(self._path)
        self._behind.update(self._leases)
        self._ports_behind.update(self.ports)
        self._adhoc_behind = True
        if before != _NO_FILE:
            _log.warning("the lease store was removed or replaced by somebody, and is written anew")

    def _try(self, write: Callable[[], object], what: str = LEASES) -> None:
        """Write if it can be done; a full disk must not close a port."""
        try:
            write()
        except (sqlite3.Error, OSError, ValueError) as error:
            self._note_failure(what, error)
        else:
            if what in self._errors:
                self._errors.clear()  # if the one had no room, the other has some now
                _log.info("%s can be written again", what)

    def _note_failure(self, what: str, error: Exception) -> None:
        if what not in self._errors:
            _log.error("cannot write %s, ports stay open without it: %s", what, error)
        self._errors[what] = f"cannot write {what}: {error}"
        self.failed()


def _lease_row(stored: StoredLease) -> tuple[Any, ...]:
    lease = stored.lease
    return (
        lease.token,
        lease.protocol.value,
        str(lease.internal_address),
        lease.internal_port,
        stored.wanted_port,
        lease.external_port,
        lease.external_address and str(lease.external_address),
        lease.lifetime,
        lease.permanent,
        lease.backend,
        lease.gateway,
        storable(lease.private),
        stored.confirmed,
        stored.granted_at.timestamp(),
        storable(stored.source),
        storable(stored.comment),
    )


def _read(database: sqlite3.Connection) -> Iterator[StoredLease]:
    database.row_factory = sqlite3.Row
    for row in database.execute("SELECT * FROM leases"):
        lease = Lease(
            protocol=Protocol(row["protocol"]),
            internal_address=ipaddress.ip_address(row["internal_address"]),
            internal_port=row["internal_port"],
            external_port=row["external_port"],
            external_address=_address(row["external_address"]),
            lifetime=row["lifetime"],
            permanent=bool(row["permanent"]),
            backend=row["backend"],
            gateway=row["gateway"],
            token=bytes(row["token"]),
            private=row["private"],
        )
        yield StoredLease(
            lease,
            row["wanted_port"],
            datetime.fromtimestamp(row["granted_at"], UTC),
            bool(row["confirmed"]),
            row["source"],
            row["comment"],
        )


def _read_ports(database: sqlite3.Connection) -> dict[AnyPort, int]:
    rows = database.execute("SELECT * FROM ports ORDER BY rowid")
    return {(Protocol(row[0]), row[1], row[2]): row[3] for row in rows}


def _address(text: str | None) -> IPAddress | None:
    return ipaddress.ip_address(text) if text else None
