"""Checks the arguments of the Python API, and makes a mapping of them."""

from __future__ import annotations

import ipaddress
import math
import operator
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, SupportsIndex

from portmapper.api.errors import RowError, quoted
from portmapper.api.model import MAX_DURATION, ConflictPolicy, Family, IPAddress, IPNetwork, Mapping, Protocol
from portmapper.sources.address_syntax import canonical, parse_gateway
from portmapper.sources.field_parsers import CONFLICTS, parse_conflict
from portmapper.sources.internal_hosts import unusable
from portmapper.sources.port_syntax import MAX_PORT
from portmapper.sources.remote_syntax import parse_remote

SOURCE = "program"
"""The source of the mappings that a program opens."""

COMMENT = "portmapper"
"""The text for the gateway's table if the program gives none."""

Address = IPAddress | str
Remote = IPAddress | IPNetwork | str
Lifetime = int | float | timedelta


def mapping_from(
    port: SupportsIndex,
    protocol: str,
    internal_port: SupportsIndex | None,
    address: Address | None,
    family: str | None,
    lifetime: Lifetime,
    comment: str,
    gateway: Address | None,
    conflict: str | None,
    remote: Remote | None,
) -> Mapping:
    """Return the mapping that the arguments of `open` describe.

    Raises:
        TypeError: an argument has an invalid type.
        ValueError: an argument has an invalid value.
    """
    external = _port("port", port, lowest=0)
    if external == 0 and internal_port is None:
        raise ValueError("port 0 (any port) needs internal_port")
    host, restricted = _host(address), _remote(remote)
    return Mapping(
        protocol=_protocol(protocol),
        port=external,
        internal_port=external if internal_port is None else _port("internal_port", internal_port, lowest=1),
        address=host,
        family=_family(family, host, restricted),
        duration=_lifetime(lifetime),
        comment=_text("comment", comment) or COMMENT,
        gateway=_gateway(gateway),
        conflict=None if conflict is None else conflict_from(conflict),
        remote=restricted,
        source=SOURCE,
    )


def conflict_from(value: str) -> ConflictPolicy:
    """Return the conflict policy with that name.

    Raises:
        TypeError: the value is not text.
        ValueError: there is no such policy.
    """
    try:
        return parse_conflict(_text("conflict", value))
    except ValueError:
        raise ValueError(f"conflict must be one of {', '.join(CONFLICTS)}, not {_shown(value)}") from None


def names_from(argument: str, value: Any) -> tuple[str, ...]:
    """Return the names or addresses of an argument that takes one or several.

    Raises:
        TypeError: the value is neither text, nor an address, nor a sequence of them.
    """
    single = isinstance(value, str | IPAddress)
    # Bytes are a sequence of numbers.
    if not single and (not isinstance(value, Sequence) or isinstance(value, bytes | bytearray)):
        raise TypeError(f"{argument} must be text or a sequence of texts, not {_shown(value)}")
    several = (value,) if single else tuple(value)
    return tuple(str(one) if isinstance(one, IPAddress) else _text(argument, one) for one in several)


def check_callback(on_change: object) -> None:
    """Check that `on_change` can be called.

    Raises:
        TypeError: it cannot.
    """
    if on_change is not None and not callable(on_change):
        raise TypeError(f"on_change must be a function or a coroutine function, not {_shown(on_change)}")


def check_wait(wait: object) -> None:
    """Check that `wait` is a boolean: the text "no" would count as true.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(wait, bool):
        raise TypeError(f"wait must be True or False, not {_shown(wait)}")


def family_from(value: object) -> Family:
    """Return the family with that name.

    Raises:
        TypeError: the value is not text.
        ValueError: there is no such family.
    """
    name = _text("family", value).lower()
    if name not in list(Family):
        raise ValueError(f"family must be ipv4 or ipv6, not {_shown(value)}")
    return Family(name)


def _port(argument: str, value: Any, *, lowest: int) -> int:
    # In Python a bool is an int, but True is not port 1.
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{argument} must be a whole number, not {_shown(value)}")
    number = operator.index(value)
    if not lowest <= number <= MAX_PORT:
        zero = ", or 0 for any port" if lowest == 0 else ""
        raise ValueError(f"{argument} must be 1 to {MAX_PORT}{zero}, not {_shown(number)}")
    return number


def _protocol(value: object) -> Protocol:
    name = _text("protocol", value).upper()
    if name not in list(Protocol):
        both = ": open a lease for each" if name in ("BOTH", "TCP/UDP") else ""
        raise ValueError(f"protocol must be tcp or udp, not {_shown(value)}{both}")
    return Protocol(name)


def _host(value: object) -> IPAddress | None:
    """Return the host to map to; None for this host."""
    if value is None or value == "":
        return None
    address = canonical(_address("address", value))
    if address.is_unspecified:
        return None
    if reason := unusable(address):
        raise ValueError(f"address {address} {reason}")
    return address


def _address(argument: str, value: object) -> IPAddress:
    if isinstance(value, ipaddress.IPv4Interface | ipaddress.IPv6Interface):
        return value.ip
    if isinstance(value, IPAddress):
        return value
    if not isinstance(value, str):  # `ip_address` would accept numbers and bytes
        raise TypeError(f"{argument} must be an address or text, not {_shown(value)}")
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"{argument} must be an IP address, not {_shown(value)}") from None


def _remote(value: object) -> IPNetwork | None:
    """Return the only hosts that may connect; None for every host."""
    if value is None:
        return None
    if not isinstance(value, str | IPAddress | IPNetwork):
        raise TypeError(f"remote must be an address, a network or text, not {_shown(value)}")
    try:
        return parse_remote(str(value))
    except ValueError as error:
        raise ValueError(f"remote: {error}") from None


def _family(value: object, host: IPAddress | None, remote: IPNetwork | None) -> Family:
    """Return the family: as given, else that of the host, else that of the remote hosts."""
    of_host = None if host is None else Family.of(host)
    of_remote = None if remote is None else Family.of(remote)
    family = family_from(value) if value is not None else of_host or of_remote or Family.IPV4
    if of_host not in (None, family):
        raise ValueError(f"family {family} does not match the address {host}")
    if of_remote not in (None, family):
        raise ValueError(f"family {family} does not match the remote hosts {remote}")
    return family


def _lifetime(value: Any) -> int:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"lifetime must be a number of seconds or a timedelta, not {_shown(value)}")
    if not 0 <= seconds <= MAX_DURATION:  # also false for NaN
        raise ValueError(f"lifetime must be 0 to {MAX_DURATION} seconds, not {_shown(value)}")
    return math.ceil(seconds)


def _gateway(value: object) -> str | None:
    text = str(value) if isinstance(value, IPAddress) else _text("gateway", "" if value is None else value)
    try:
        return parse_gateway(text)
    except RowError as error:
        raise ValueError(str(error)) from None


def _text(argument: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{argument} must be text, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    """Quote a value in the words of Python: `quoted` has those of JSON and TOML."""
    return str(value) if value is None or isinstance(value, bool) else quoted(value)
