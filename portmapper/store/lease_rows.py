"""Rows of the lease store as values; a row with an invalid value is skipped and logged."""

from __future__ import annotations

import ipaddress
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from portmapper.api.model import IPAddress, IPNetwork, Lease, Protocol
from portmapper.store.damage import readable
from portmapper.support.text import address_text, storable

LONGEST_LIFETIME = 2**32
"""Protocols express a lifetime in 32 bits."""

LeaseRow = tuple[Lease, int, datetime, bool, str, str, str, bool]
"""The fields of a `StoredLease`, in its order."""

PortRow = tuple[tuple[Protocol, str, int], int]
"""A mapping that accepts any port, and the last external port that it had."""

_INSERT = f"INSERT OR REPLACE INTO leases VALUES ({', '.join('?' * 19)})"


def lease_rows(database: sqlite3.Connection) -> Iterator[LeaseRow]:
    """Yield the leases that can be read."""
    database.row_factory = sqlite3.Row
    return readable(database.execute("SELECT * FROM leases"), _lease, "leases")


def write_lease(database: sqlite3.Connection, token: bytes, fields: LeaseRow | None) -> None:
    """Write a lease within the caller's transaction; None deletes it."""
    if fields is None:
        database.execute("DELETE FROM leases WHERE token = ?", (token,))
    else:
        database.execute(_INSERT, _row_of(fields))


def _row_of(fields: LeaseRow) -> tuple[Any, ...]:
    """Return the row of a lease, in the order of the table's columns."""
    lease, wanted_port, granted_at, confirmed, source, comment, origin, disturbed = fields
    return (
        lease.token,
        lease.protocol.value,
        address_text(lease.internal_address),
        lease.internal_port,
        wanted_port,
        lease.external_port,
        lease.external_address and address_text(lease.external_address),
        lease.lifetime,
        lease.permanent,
        lease.backend,
        lease.gateway,
        storable(lease.private),
        confirmed,
        granted_at.timestamp(),
        storable(source),
        storable(comment),
        str(lease.remote or ""),
        storable(origin),
        disturbed,
    )


def port_rows(database: sqlite3.Connection) -> Iterator[PortRow]:
    """Yield the external ports that can be read, the oldest first."""
    return readable(database.execute("SELECT * FROM ports ORDER BY rowid"), _ports, "ports")


def _lease(row: sqlite3.Row) -> LeaseRow:
    lease = Lease(
        protocol=Protocol(row["protocol"]),
        internal_address=_address(row["internal_address"]),
        internal_port=_number(row["internal_port"], 65535),
        external_port=_number(row["external_port"], 65535),
        external_address=None if row["external_address"] is None else _address(row["external_address"]),
        lifetime=_number(row["lifetime"], LONGEST_LIFETIME),
        permanent=bool(row["permanent"]),
        backend=_of_type(row["backend"], str),
        gateway=_of_type(row["gateway"], str),
        token=_of_type(row["token"], bytes),
        private=_of_type(row["private"], str),
        remote=_network(row["remote"]),
    )
    granted_at = datetime.fromtimestamp(row["granted_at"], UTC)
    _ = granted_at + timedelta(seconds=LONGEST_LIFETIME)  # must be a date, too
    return (
        lease,
        _number(row["wanted_port"], 65535),
        granted_at,
        bool(row["confirmed"]),
        _of_type(row["source"], str),
        _of_type(row["comment"], str),
        _of_type(row["origin"], str),
        bool(row["disturbed"]),
    )


def _ports(row: Any) -> PortRow:
    protocol, address, internal_port, external_port = row
    mapping = Protocol(protocol), _of_type(address, str), _number(internal_port, 65535)
    return mapping, _number(external_port, 65535)


def _address(value: object) -> IPAddress:
    return ipaddress.ip_address(_of_type(value, str))


def _network(value: object) -> IPNetwork | None:
    text: str = _of_type(value, str)
    return ipaddress.ip_network(text) if text else None


def _number(value: object, largest: int) -> int:
    """SQLite stores a value of any type in a column of numbers."""
    number: int = _of_type(value, int)
    if not 0 <= number <= largest:
        raise ValueError(f"{number} is not a number from 0 to {largest}")
    return number


def _of_type(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"a {type(value).__name__} in place of {kind.__name__}")
    return value
