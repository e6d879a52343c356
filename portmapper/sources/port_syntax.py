"""Parses ports and protocols: `80`, `2722-2723`, `any`, `8080/tcp`."""

from __future__ import annotations

import re

from portmapper.api.errors import UsageError, quoted
from portmapper.api.model import ANY_PORT, PROTOCOLS, Protocol

ANY = range(ANY_PORT, ANY_PORT + 1)
MAX_PORT = 65535

# Text editors replace a hyphen between numbers by a dash or a minus sign.
_PORTS = r"([0-9]{1,9})(?: ?[-\u2010-\u2015\u2212] ?([0-9]{1,9}))?\Z"
_MAX_DIGITS = 9


def parse_ports(text: str) -> range:
    """Parse `80`, `2722-2723` or `any` (`ANY`). Digits must be ASCII.

    Raises:
        ValueError: the text is invalid; the message contains it.
    """
    if text.lower() == "any":
        return ANY
    if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
        first = last = int(text)  # most rows have one port, which needs no pattern
    elif match := re.match(_PORTS, text):
        first = int(match[1])
        last = int(match[2] or first)
    else:
        reason = f"{quoted(text)} is neither a port (1-{MAX_PORT}) nor a range such as 2722-2723"
        raise ValueError(f"{reason}{_hint(text)}")
    if not 1 <= first <= MAX_PORT or not 1 <= last <= MAX_PORT:
        kind = "range of ports" if "-" in text else "port"
        raise ValueError(f"{quoted(text)} is not a {kind} (1-{MAX_PORT}){_hint(text) if last == 0 else ''}")
    if last < first:
        raise ValueError(f"{quoted(text)} ends before it begins: write {last}-{first}")
    return range(first, last + 1)


def _hint(text: str) -> str:
    from portmapper.sources.port_hints import port_hint  # needed only after a mistake

    return port_hint(text)


def parse_port_argument(text: str) -> tuple[range, tuple[Protocol, ...]]:
    """Parse a PORT/PROTO argument: `8080` (TCP), `8080/tcp`, `2722-2723/udp`, `any/both`.

    Raises:
        UsageError: the text is invalid.
    """
    ports, slash, protocol = text.partition("/")
    protocol = protocol.upper() if slash else Protocol.TCP.value
    if protocol not in PROTOCOLS:
        raise UsageError(f"{quoted(text)}: write PORT/PROTO, such as 8080/tcp, 2722-2723/udp or 53/both")
    try:
        return parse_ports(ports), PROTOCOLS[protocol]
    except ValueError as error:
        raise UsageError(str(error)) from None
