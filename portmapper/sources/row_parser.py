"""Parses a row strictly and expands it to mappings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from portmapper.api.errors import RowError, SourceError
from portmapper.api.field_names import FIELD_NAMES
from portmapper.api.model import (
    ALL_GATEWAYS,
    DEFAULT_DURATION,
    ConflictPolicy,
    Family,
    IPAddress,
    IPNetwork,
    Mapping,
    Protocol,
)
from portmapper.api.source import Row
from portmapper.sources.field_parsers import PARSERS
from portmapper.sources.port_syntax import ANY, MAX_PORT
from portmapper.sources.preset_rows import expanded, preset_hint
from portmapper.sources.unknown_fields import instead_of, unknown_key
from portmapper.support.values import frozen

MAX_MAPPINGS = 65536
"""Maximum number of mappings in one document, after expanding ranges."""


class TooManyMappings(SourceError):
    """A row expands to more mappings than its document may have."""

    def __init__(self, place: str, limit: int = MAX_MAPPINGS) -> None:
        super().__init__(f"{place}: more than {limit} mappings in one document")
        self.where = place


@frozen
class ParsedRow:
    """One row with each field parsed and checked on its own.

    Attributes:
        port: requested external ports; `ANY` to let the gateway choose.
        protocol: one or both protocols.
        address: as `Mapping.address`.
        duration: lifetime in seconds; 0 for as long as the gateway allows.
        comment: for the gateway's table.
        internal_port: a range as long as `port`, or only its first port; None for the same as `port`.
        family: one or both families; None for the address's family, or the default.
        conflict: conflict policy, None for the default.
        backend: the only backend to use, None for any.
        gateway: as `Mapping.gateway`.
        remote: as `Mapping.remote`.
        enabled: False if the row has no effect.
        when: True if the row is open only while a program of this host listens on the internal port.
        until: as `Mapping.until`.
        schedule: as `Mapping.schedule`.
        same_port: the mappings for TCP and UDP need the same external port; None for the default.
    """

    port: range
    protocol: tuple[Protocol, ...]
    address: IPAddress | IPNetwork | None = None
    duration: int = DEFAULT_DURATION
    comment: str = ""
    internal_port: range | None = None
    family: tuple[Family, ...] | None = None
    conflict: ConflictPolicy | None = None
    backend: str | None = None
    gateway: str | None = None
    remote: IPNetwork | None = None
    enabled: bool = True
    when: bool = False
    until: datetime | None = None
    schedule: str = ""
    same_port: bool | None = None


ALIASES = {"external_port": "port", "lifetime": "duration"}
"""Other names of fields. `duration` is the spelling of upnp-daemon."""

_KNOWN = {name: ALIASES.get(name, name) for name in FIELD_NAMES}
_ALIAS_OF = {field: alias for alias, field in ALIASES.items()}


def mappings_of(
    row: Row, source: str, limit: int = MAX_MAPPINGS, families: Sequence[Family] = (Family.IPV4,)
) -> list[Mapping]:
    """Return the mappings of one row with presets, ranges, protocols and families expanded; none if disabled.

    `families` applies to a row that names neither a family nor an address.

    Raises:
        RowError: the row is invalid; the error contains the field and its value.
        SourceError: the row expands to more than `limit` mappings.
    """
    mappings: list[Mapping] = []
    for part in expanded(row):
        mappings += _mappings_of_one(part, source, limit - len(mappings), families)
    return mappings


def _mappings_of_one(row: Row, source: str, limit: int, families: Sequence[Family]) -> list[Mapping]:
    parsed = parse_row(row)
    if not parsed.enabled:
        return []
    internal = _internal_ports(parsed)
    families = _families_within(limit, row, parsed, families)
    written = str(row.fields.get("address") or "")
    return [
        Mapping(
            protocol=protocol,
            port=port,
            internal_port=internal_port,
            address=parsed.address,
            duration=parsed.duration,
            comment=parsed.comment,
            family=family,
            conflict=parsed.conflict,
            backend=parsed.backend,
            gateway=parsed.gateway,
            remote=parsed.remote,
            source=source,
            origin=row.origin,
            when_listening=parsed.when,
            until=parsed.until,
            schedule=parsed.schedule,
            same_port=len(parsed.protocol) > 1 if parsed.same_port is None else parsed.same_port,
            where=row.where,
            written_address=written,
        )
        for port, internal_port in zip(parsed.port, internal, strict=True)
        for protocol in parsed.protocol
        for family in families
    ]


def _families_within(limit: int, row: Row, parsed: ParsedRow, families: Sequence[Family]) -> Sequence[Family]:
    """Return the families of a row, by default these. Raises `TooManyMappings` if it is too long."""
    families = _families(parsed) or families
    if len(parsed.port) * len(parsed.protocol) * len(families) > limit:
        raise TooManyMappings(row.where)
    return families


def parse_row(row: Row) -> ParsedRow:
    """Parse each field of a row. Empty text and null mean that the field is omitted.

    Raises:
        RowError: the row is invalid; the error contains the field and its value.
    """
    if row.error:
        raise RowError("", row.error)
    if row.strict_keys:
        for key in row.fields:
            if key not in _KNOWN:
                raise RowError(key, unknown_key(key))
    given = _parse_fields(row)
    if "port" not in given:
        hint = instead_of("port", row.fields) or ": write a port, or remove the row"
        raise RowError("port", f"is missing{hint}")
    port, protocol = given["port"]
    if protocol and given.setdefault("protocol", protocol) != protocol:
        raise RowError("protocol", "differs from the protocol in port: write it once")
    if "protocol" not in given:
        hint = instead_of("protocol", row.fields) or ": write tcp, udp or both"
        raise RowError("protocol", f"is missing{hint}")
    return ParsedRow(**{**given, "port": port})


def _parse_fields(row: Row) -> dict[str, Any]:
    """Return the parsed values by the fields' own names; the error has the name that the row uses."""
    given: dict[str, Any] = {}
    for name, value in row.fields.items():
        field = _KNOWN.get(name)
        if field is None or value is None or value == "":
            continue
        if field in given:
            other = field if name != field else _ALIAS_OF[field]
            hint = ": write the port of the host in internal_port" if field == "port" else ": write one"
            raise RowError(name, f"is the same field as {other}{hint}")
        try:
            given[field] = PARSERS[field](value)
        except RowError as error:
            hint = preset_hint(value) if field == "port" and ": write" not in error.reason else ""
            raise RowError(name, f"{error.reason}{hint}") from None
    return given


def _internal_ports(parsed: ParsedRow) -> range:
    if parsed.internal_port is None:
        if parsed.port == ANY:
            raise RowError("internal_port", "is missing: it is required with port any")
        return parsed.port
    first, count = parsed.internal_port.start, len(parsed.port)
    if len(parsed.internal_port) not in (1, count):
        ports = "one port" if count == 1 else f"a range of {count}"
        fitting = f"{first}" if count == 1 else f"{first}-{min(first + count - 1, MAX_PORT)}"
        reason = f"is a range of {len(parsed.internal_port)} ports, but port is {ports}: write {fitting}"
        raise RowError("internal_port", reason)
    if first + count - 1 > MAX_PORT:
        raise RowError(
            "internal_port", f"a range of {count} ports that starts at {first} ends above {MAX_PORT}"
        )
    return range(first, first + count)


def _families(parsed: ParsedRow) -> tuple[Family, ...]:
    families = parsed.family
    if parsed.address is not None:
        own = (Family.of(parsed.address),)
        if families not in (None, own):
            raise RowError("family", f"{'/'.join(families)} does not match the address {parsed.address}")
        families = own
    if parsed.gateway not in (None, ALL_GATEWAYS):
        own = (Family.IPV6 if ":" in parsed.gateway else Family.IPV4,)
        if families not in (None, own):
            raise RowError("gateway", f"{parsed.gateway} does not match the family {'/'.join(families)}")
        families = own
    if parsed.remote is not None:
        own = (Family.of(parsed.remote),)
        if families not in (None, own):
            raise RowError("remote", f"{parsed.remote} does not match the family {'/'.join(families)}")
        families = own
    return families or ()
