"""Turns a row as it was written into the mappings it stands for, strictly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as AnyMapping
from types import MappingProxyType
from typing import Any

import attrs

from portmapper.api.errors import RowError, SourceError, quoted
from portmapper.api.model import (
    ALL_GATEWAYS,
    DEFAULT_DURATION,
    MAX_DURATION,
    PROTOCOLS,
    ConflictPolicy,
    Family,
    IPAddress,
    IPNetwork,
    Mapping,
    Protocol,
)
from portmapper.api.source import Row
from portmapper.api.suggestions import nearest
from portmapper.sources.address_syntax import parse_address, parse_gateway
from portmapper.sources.port_syntax import ANY, MAX_PORT, parse_ports

MAX_MAPPINGS = 65536
"""Mappings one document may list, ranges spread out."""


@attrs.frozen
class ParsedRow:
    """One row, each field read and checked by itself.

    Attributes:
        port: wanted external ports; `ANY` for whatever the gateway gives.
        protocol: one or both.
        address: whom for, as `Mapping.address`.
        duration: seconds; 0 is as long as the gateway will.
        comment: for the gateway's table.
        internal_port: a range as long as `port`, or its first port alone; None is the same as `port`.
        family: one or both; None is the address's own, or the run's default.
        conflict: policy, None for the run's default.
        backend: the only backend allowed, None for any.
        gateway: as `Mapping.gateway`.
        enabled: a row that is not enabled stands for no mapping.
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
    enabled: bool = True


FIELDS = tuple(field.name for field in attrs.fields(ParsedRow))
_KNOWN = frozenset(FIELDS)
FAMILIES = {
    "ipv4": (Family.IPV4,),
    "ipv6": (Family.IPV6,),
    "both": (Family.IPV4, Family.IPV6),
}
_SWITCHES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# A gateway's XML cannot carry control characters, and a terminal should not.
_CONTROLS = {code: " " for code in (*range(0x20), *range(0x7F, 0xA0))}


def mappings_of(
    row: Row, source: str, limit: int = MAX_MAPPINGS, families: Sequence[Family] = (Family.IPV4,)
) -> list[Mapping]:
    """Return the mappings of one row: ranges, protocols and families spread out; none when disabled.

    `families` are those of a row that names neither a family nor an address.

    Raises:
        RowError: the row is wrong; the field and its value are named.
        SourceError: it stands for more than `limit` mappings.
    """
    record = parse_row(row)
    if not record.enabled:
        return []
    internal = _internal_ports(record)
    families = _families(record) or families
    if len(record.port) * len(record.protocol) * len(families) > limit:
        raise SourceError(f"{row.place}: more than {MAX_MAPPINGS} mappings in one document")
    written = str(row.fields.get("address") or "")
    return [
        Mapping(
            protocol=protocol,
            port=port,
            internal_port=internal_port,
            address=record.address,
            duration=record.duration,
            comment=record.comment,
            family=family,
            conflict=record.conflict,
            backend=record.backend,
            gateway=record.gateway,
            source=source,
            where=row.place,
            written_address=written,
        )
        for port, internal_port in zip(record.port, internal, strict=True)
        for protocol in record.protocol
        for family in families
    ]


def parse_row(row: Row) -> ParsedRow:
    """Read each field of a row. An empty text, like null, is a field left out.

    Raises:
        RowError: as `mappings_of` does.
    """
    if row.error:
        raise RowError("", row.error)
    if row.strict_keys:
        for key in row.fields:
            if key not in _KNOWN:
                raise RowError(key, f"unknown key{nearest(key, FIELDS)}")
    given = {
        key: value for key, value in row.fields.items() if key in _KNOWN and value is not None and value != ""
    }
    for key in ("port", "protocol"):
        if key not in given:
            raise RowError(key, "is missing")
    return ParsedRow(**{name: _READERS[name](value) for name, value in given.items()})


def _internal_ports(record: ParsedRow) -> range:
    if record.internal_port is None:
        if record.port == ANY:
            raise RowError("internal_port", "is missing: port any does not tell which one listens")
        return record.port
    first, count = record.internal_port.start, len(record.port)
    if len(record.internal_port) not in (1, count):
        raise RowError("internal_port", f"is a range of {len(record.internal_port)}, port is one of {count}")
    if first + count - 1 > MAX_PORT:
        raise RowError("internal_port", f"a range of {count} that begins at {first} ends beyond {MAX_PORT}")
    return range(first, first + count)


def _families(record: ParsedRow) -> tuple[Family, ...]:
    families = record.family
    if record.address is not None:
        own = (Family.of(record.address),)
        if families not in (None, own):
            raise RowError("family", f"{'/'.join(families)} does not go with the address {record.address}")
        families = own
    if record.gateway not in (None, ALL_GATEWAYS):
        own = (Family.IPV6 if ":" in record.gateway else Family.IPV4,)
        if families not in (None, own):
            raise RowError("gateway", f"{record.gateway} does not go with the family {'/'.join(families)}")
        families = own
    return families or ()


def _read_port(value: object, field: str = "port") -> range:
    # A bool is an int to Python; `true` is not port 1.
    if type(value) is int and 1 <= value <= MAX_PORT:
        return range(value, value + 1)
    if not isinstance(value, str):
        raise RowError(field, f"{quoted(value)} is not a port (1-{MAX_PORT})")
    try:
        return parse_ports(value)
    except ValueError as error:
        raise RowError(field, str(error)) from None


def _read_internal_port(value: object) -> range:
    ports = _read_port(value, "internal_port")
    if ports == ANY:
        raise RowError("internal_port", f"{quoted(value)} is not a port")
    return ports


def _read_address(value: object) -> IPAddress | IPNetwork | None:
    return parse_address(_text("address", value))


def _read_duration(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if type(value) is not int:
        raise RowError("duration", f"{quoted(value)} is not a number of seconds")
    if not 0 <= value <= MAX_DURATION:
        raise RowError("duration", f"{quoted(value)} is not in 0-{MAX_DURATION}")
    return value


def _read_comment(value: object) -> str:
    text = _text("comment", value)
    return text if text.isprintable() else text.translate(_CONTROLS)


def _read_enabled(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _SWITCHES:
        return _SWITCHES[value.lower()]
    raise RowError("enabled", f"{quoted(value)} is neither true nor false")


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise RowError(field, f"{quoted(value)} is not a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        # CSV keeps bytes that are not UTF-8 as lone surrogates, and JSON can spell them.
        raise RowError(field, f"{quoted(value)} is not valid UTF-8") from None
    return value


def _choice(
    field: str, choices: AnyMapping[str, Any], fold: Callable[[str], str]
) -> Callable[[object], object]:
    def read(value: object) -> object:
        try:
            return choices[fold(value)]  # type: ignore[arg-type]
        except (KeyError, TypeError):
            raise RowError(field, f"{quoted(value)} is not one of {', '.join(choices)}") from None

    return read


_READERS: AnyMapping[str, Callable[[object], Any]] = MappingProxyType(
    {
        "port": _read_port,
        "protocol": _choice("protocol", PROTOCOLS, str.upper),
        "address": _read_address,
        "duration": _read_duration,
        "comment": _read_comment,
        "internal_port": _read_internal_port,
        "family": _choice("family", FAMILIES, str.lower),
        "conflict": _choice("conflict", {policy.value: policy for policy in ConflictPolicy}, str.lower),
        "backend": lambda value: _text("backend", value),
        "gateway": lambda value: parse_gateway(_text("gateway", value)),
        "enabled": _read_enabled,
    }
)
"""Each names its field in what it raises. Only the settings file's tables are cattrs' work: to import it
costs each start 40 ms, for what is one line here."""
