"""Parses a row strictly and expands it to mappings."""

from __future__ import annotations

import re
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
from portmapper.sources.comment_encoding import in_windows_letters
from portmapper.sources.internal_hosts import unusable
from portmapper.sources.port_syntax import ANY, MAX_PORT, parse_ports
from portmapper.sources.preset_rows import PRESET, expanded
from portmapper.support.duration import EXAMPLES, parse_duration

MAX_MAPPINGS = 65536
"""Maximum number of mappings in one document, after expanding ranges."""


class TooManyMappings(SourceError):
    """A row expands to more mappings than its document may have."""

    def __init__(self, place: str, limit: int = MAX_MAPPINGS) -> None:
        super().__init__(f"{place}: more than {limit} mappings in one document")
        self.where = place


@attrs.frozen
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
        enabled: False if the row has no effect.
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


ALIASES = {"external_port": "port", "lifetime": "duration"}
"""Other names of fields. `duration` is the spelling of upnp-daemon."""

FIELDS = tuple(field.name for field in attrs.fields(ParsedRow))
NAMES = (*FIELDS, *ALIASES, PRESET)
_KNOWN = {name: ALIASES.get(name, name) for name in NAMES}
_ALIAS_OF = {field: alias for alias, field in ALIASES.items()}
CONFLICTS = {
    "keep": ConflictPolicy.OWN,
    "next": ConflictPolicy.NEXT,
    "overwrite": ConflictPolicy.TAKE,
    "fail": ConflictPolicy.FAIL,
}
"""The conflict policies as users write them; `parse_conflict` accepts the earlier names too."""
FAMILIES = {
    "ipv4": (Family.IPV4,),
    "ipv6": (Family.IPV6,),
    "both": (Family.IPV4, Family.IPV6),
}
_SWITCHES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_BETWEEN_PROTOCOLS = re.compile(r"\s*[/+,&|_ -]\s*")
# XML for a gateway cannot contain control characters, and they could affect a terminal.
_CONTROLS = {code: " " for code in (*range(0x20), *range(0x7F, 0xA0))}


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
    families = _families(parsed) or families
    if len(parsed.port) * len(parsed.protocol) * len(families) > limit:
        raise TooManyMappings(row.where)
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
            source=source,
            origin=row.origin,
            where=row.where,
            written_address=written,
        )
        for port, internal_port in zip(parsed.port, internal, strict=True)
        for protocol in parsed.protocol
        for family in families
    ]


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
                raise RowError(key, f"unknown key{nearest(key, NAMES)}")
    given = _parse_fields(row)
    if "port" not in given:
        raise RowError("port", "is missing")
    port, protocol = given["port"]
    if protocol and given.setdefault("protocol", protocol) != protocol:
        raise RowError("protocol", "is not the protocol that port names")
    if "protocol" not in given:
        raise RowError("protocol", "is missing: write tcp, udp or both")
    return ParsedRow(**{**given, "port": port})


def _parse_fields(row: Row) -> dict[str, Any]:
    """Return the parsed values by the fields' own names; the error has the name that the row uses."""
    given: dict[str, Any] = {}
    for name, value in row.fields.items():
        field = _KNOWN.get(name)
        if field is None or value is None or value == "":
            continue
        if field in given:
            raise RowError(name, f"is the same field as {field if name != field else _ALIAS_OF[field]}")
        try:
            given[field] = _PARSERS[field](value)
        except RowError as error:
            raise RowError(name, error.reason) from None
    return given


def _internal_ports(parsed: ParsedRow) -> range:
    if parsed.internal_port is None:
        if parsed.port == ANY:
            raise RowError("internal_port", "is missing: it is required with port any")
        return parsed.port
    first, count = parsed.internal_port.start, len(parsed.port)
    if len(parsed.internal_port) not in (1, count):
        raise RowError(
            "internal_port",
            f"is a range of {len(parsed.internal_port)} ports, but port is a range of {count}",
        )
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
    return families or ()


def _parse_port(value: object, field: str = "port") -> range:
    # In Python a bool is an int, but `true` is not port 1.
    if type(value) is int and 1 <= value <= MAX_PORT:
        return range(value, value + 1)
    if not isinstance(value, str):
        raise RowError(field, f"{quoted(value)} is not a port (1-{MAX_PORT})")
    try:
        return parse_ports(value)
    except ValueError as error:
        raise RowError(field, str(error)) from None


def _parse_port_and_protocol(value: object) -> tuple[range, tuple[Protocol, ...] | None]:
    """Parse a port, or a port with its protocol, such as `8080/tcp`."""
    if not isinstance(value, str) or "/" not in value:
        return _parse_port(value), None
    ports, _, protocol = value.partition("/")
    if _fold_protocol(protocol) not in PROTOCOLS:
        raise RowError("port", f"{quoted(value)} is neither a port nor PORT/PROTOCOL, such as 8080/tcp")
    return _parse_port(ports), PROTOCOLS[_fold_protocol(protocol)]


def _fold_protocol(text: str) -> str:
    """Return the name in `PROTOCOLS`: `tcp/udp`, `TCP+UDP` and `tcp, udp` mean both."""
    words = _BETWEEN_PROTOCOLS.split(text.strip().upper())
    return "BOTH" if sorted(words) == ["TCP", "UDP"] else text.upper()


def _parse_internal_port(value: object) -> range:
    ports = _parse_port(value, "internal_port")
    if ports == ANY:
        raise RowError("internal_port", f"{quoted(value)} is not a port")
    return ports


def _parse_address(value: object) -> IPAddress | IPNetwork | None:
    address = parse_address(_text("address", value))
    if reason := unusable(address):
        raise RowError("address", f"{quoted(value)} {reason}")
    return address


def _parse_duration(value: object) -> int:
    try:
        seconds = parse_duration(value) if isinstance(value, str) else value
    except ValueError:
        seconds = None
    if type(seconds) is not int:
        raise RowError("duration", f"{quoted(value)} is not a duration: {EXAMPLES}")
    if not 0 <= seconds <= MAX_DURATION:
        raise RowError("duration", f"{quoted(value)} is not in 0-{MAX_DURATION} seconds")
    return seconds


def _parse_comment(value: object) -> str:
    """Parse a comment. It is only a comment, so bytes that are not UTF-8 are no reason to reject the row."""
    text = in_windows_letters(value) if isinstance(value, str) else _text("comment", value)
    return text if text.isprintable() else text.translate(_CONTROLS)


def _parse_enabled(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _SWITCHES:
        return _SWITCHES[value.lower()]
    raise RowError("enabled", f"{quoted(value)} is neither true nor false")


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise RowError(field, f"{quoted(value)} is not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        # The CSV format decodes invalid UTF-8 to lone surrogates, and JSON can contain them.
        raise RowError(field, f"{quoted(value)} is not valid UTF-8: save the list as UTF-8") from None
    return value


def parse_conflict(text: str) -> ConflictPolicy:
    """Parse a conflict policy; `own` and `take` are earlier names of `keep` and `overwrite`.

    Raises:
        ValueError: the text is not a policy; the message contains the policies.
    """
    earlier = {policy.value: policy for policy in ConflictPolicy}
    found = CONFLICTS.get(text.lower()) or earlier.get(text.lower())
    if found is None:
        raise ValueError(f"{quoted(text)} is not one of {', '.join(CONFLICTS)}")
    return found


def _conflict(value: object) -> ConflictPolicy:
    try:
        return parse_conflict(value if isinstance(value, str) else str(value))
    except ValueError as error:
        raise RowError("conflict", str(error)) from None


def _choice(
    field: str, choices: AnyMapping[str, Any], fold: Callable[[str], str]
) -> Callable[[object], object]:
    def read(value: object) -> object:
        try:
            return choices[fold(value)]  # type: ignore[arg-type]
        except (KeyError, TypeError, AttributeError):
            raise RowError(field, f"{quoted(value)} is not one of {', '.join(choices)}") from None

    return read


_PARSERS: AnyMapping[str, Callable[[object], Any]] = MappingProxyType(
    {
        "port": _parse_port_and_protocol,
        "protocol": _choice("protocol", PROTOCOLS, _fold_protocol),
        "address": _parse_address,
        "duration": _parse_duration,
        "comment": _parse_comment,
        "internal_port": _parse_internal_port,
        "family": _choice("family", FAMILIES, str.lower),
        "conflict": _conflict,
        "backend": lambda value: _text("backend", value),
        "gateway": lambda value: parse_gateway(_text("gateway", value)),
        "enabled": _parse_enabled,
    }
)
"""One parser per field; each raises `RowError` with its field. cattrs is not used here, because importing it
adds 40 ms to every start."""
