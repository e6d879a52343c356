"""Parses the fields of a row, each on its own. Every parser raises `RowError` with its field."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as AnyMapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from portmapper.api.errors import RowError, quoted
from portmapper.api.model import (
    MAX_DURATION,
    PROTOCOLS,
    ConflictPolicy,
    Family,
    IPAddress,
    IPNetwork,
    Protocol,
)
from portmapper.sources.address_syntax import parse_address, parse_gateway
from portmapper.sources.port_syntax import MAX_PORT, parse_ports
from portmapper.support.duration import parse_duration
from portmapper.support.encodings import in_windows_letters

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
_FAMILY_NAMES = {
    **dict.fromkeys(("4", "v4", "ip4", "inet"), "ipv4"),
    **dict.fromkeys(("6", "v6", "ip6", "inet6"), "ipv6"),
    **dict.fromkeys(("dual", "dualstack", "dual-stack"), "both"),
}
WHEN = {"listening": True, "always": False}
"""When a row is open: only while a program of this host listens on its internal port, or always."""
_SWITCHES = {
    **dict.fromkeys(("true", "yes", "on", "y", "1"), True),
    **dict.fromkeys(("false", "no", "off", "n", "0"), False),
}
_NO_INTERNAL_PORT = ("0", "any", "same", "auto", "*")
_INTERNAL_PORT = "write the port on which the program listens, or omit it for the same as port"
_BETWEEN_PROTOCOLS = re.compile(r"\s*[/+,&|_ -]\s*")
# XML for a gateway cannot contain control characters, and they could affect a terminal.
_CONTROLS = {code: " " for code in (*range(0x20), *range(0x7F, 0xA0))}


def _parse_port(value: object, field: str = "port") -> range:
    # In Python a bool is an int, but `true` is not port 1.
    if type(value) is int and 1 <= value <= MAX_PORT:
        return range(value, value + 1)
    if not isinstance(value, str):
        raise RowError(field, f"{quoted(value)} is not a port (1-{MAX_PORT}){_hint(value)}")
    try:
        return parse_ports(value)
    except ValueError as error:
        raise RowError(field, str(error)) from None


def _hint(value: object) -> str:
    """Return the end of a message about a value of JSON or TOML that is no port."""
    from portmapper.sources.port_hints import port_hint  # needed only after a mistake

    if isinstance(value, list):
        return ": write a row for each port"
    is_zero = type(value) is int and value == 0
    return port_hint(str(value)) if is_zero or isinstance(value, float) else ""


def _parse_port_and_protocol(value: object) -> tuple[range, tuple[Protocol, ...] | None]:
    """Parse a port, or a port with its protocol, such as `8080/tcp`."""
    if not isinstance(value, str) or "/" not in value:
        return _parse_port(value), None
    ports, _, protocol = (part.strip() for part in value.partition("/"))
    if _fold_protocol(protocol) not in PROTOCOLS:
        from portmapper.sources.port_hints import port_hint

        hint = port_hint(value) or ", such as 8080/tcp"
        raise RowError("port", f"{quoted(value)} is neither a port nor PORT/PROTOCOL{hint}")
    return _parse_port(ports), PROTOCOLS[_fold_protocol(protocol)]


def _fold_protocol(text: str) -> str:
    """Return the name in `PROTOCOLS`: `tcp/udp`, `TCP+UDP` and `tcp, udp` mean both."""
    words = _BETWEEN_PROTOCOLS.split(text.strip().upper())
    return "BOTH" if sorted(words) == ["TCP", "UDP"] else text.upper()


def _parse_internal_port(value: object) -> range:
    if isinstance(value, int | str) and str(value).strip().lower() in _NO_INTERNAL_PORT:
        raise RowError("internal_port", f"{quoted(value)} is not a port: {_INTERNAL_PORT}")
    return _parse_port(value, "internal_port")


def _parse_address(value: object) -> IPAddress | IPNetwork | None:
    address = parse_address(_text("address", value))
    from portmapper.sources.internal_hosts import unusable  # most rows are for this host

    if reason := unusable(address):
        raise RowError("address", f"{quoted(value)} {reason}")
    return address


def _parse_remote(value: object) -> IPNetwork:
    from portmapper.sources.remote_syntax import parse_remote  # few rows have the field

    try:
        return parse_remote(_text("remote", value))
    except ValueError as error:
        raise RowError("remote", str(error)) from None


def _parse_duration(value: object) -> int:
    try:
        seconds = parse_duration(value) if isinstance(value, str) else value
    except ValueError:
        digits = value.strip() if isinstance(value, str) else ""
        seconds = MAX_DURATION + 1 if digits.isascii() and digits.isdigit() else None
    if type(seconds) is not int:
        from portmapper.sources.lifetime_hints import lifetime_hint  # needed only after a mistake

        raise RowError("duration", f"{quoted(value)} is not a lifetime: {lifetime_hint(value)}")
    if not 0 <= seconds <= MAX_DURATION:
        reason = f"{quoted(value)} is not in 0-{MAX_DURATION} seconds"
        raise RowError("duration", f"{reason}: write 0 for as long as the gateway allows")
    return seconds


def _parse_comment(value: object) -> str:
    """Parse a comment. It is only a comment, so bytes that are not UTF-8 are no reason to reject the row."""
    text = in_windows_letters(value) if isinstance(value, str) else _text("comment", value)
    return text if text.isprintable() else text.translate(_CONTROLS)


def _switch(field: str) -> Callable[[object], bool]:
    def read(value: object) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _SWITCHES:
            return _SWITCHES[value.lower()]
        raise RowError(field, f"{quoted(value)} is neither true nor false: write true or false")

    return read


def _parse_until(value: object) -> datetime:
    from portmapper.api.until_syntax import parse_until  # few rows have the field

    try:
        return parse_until(value)
    except ValueError as error:
        raise RowError("until", str(error)) from None


def _parse_schedule(value: object) -> str:
    from portmapper.api.schedule import canonical_schedule  # few rows have a schedule

    entries = value if isinstance(value, list) else [value]
    try:
        return canonical_schedule([_text("schedule", entry) for entry in entries])
    except ValueError as error:
        raise RowError("schedule", str(error)) from None


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        hint = f': write "{value}"' if is_number else ""
        raise RowError(field, f"{quoted(value)} is not text{hint}")
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
        raise ValueError(
            f"{quoted(text)} is not one of {', '.join(CONFLICTS)}{_near(text, tuple(CONFLICTS))}"
        )
    return found


def _conflict(value: object) -> ConflictPolicy:
    try:
        return parse_conflict(value if isinstance(value, str) else str(value))
    except ValueError as error:
        raise RowError("conflict", str(error)) from None


def _near(value: object, choices: tuple[str, ...]) -> str:
    """Return the choice that the value most likely means, as the end of a message."""
    import difflib  # needed only after a mistake

    folded = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(str(value)[:20].lower(), folded, n=1)
    return f": did you mean {close[0]}?" if close else ""


def _fold_family(text: str) -> str:
    """Return the name in `FAMILIES`: `4`, `v6` and `inet6` are clear too."""
    name = text.lower()
    return _FAMILY_NAMES.get(name, name)


def _choice(
    field: str, choices: AnyMapping[str, Any], fold: Callable[[str], str]
) -> Callable[[object], object]:
    def read(value: object) -> object:
        try:
            return choices[fold(value)]  # type: ignore[arg-type]
        except (KeyError, TypeError, AttributeError):
            from portmapper.sources.port_hints import protocol_hint

            hint = protocol_hint(value) if field == "protocol" else ""
            reason = (
                f"{quoted(value)} is not one of {', '.join(choices)}{hint or _near(value, tuple(choices))}"
            )
            raise RowError(field, reason) from None

    return read


PARSERS: AnyMapping[str, Callable[[object], Any]] = MappingProxyType(
    {
        "port": _parse_port_and_protocol,
        "protocol": _choice("protocol", PROTOCOLS, _fold_protocol),
        "address": _parse_address,
        "duration": _parse_duration,
        "comment": _parse_comment,
        "internal_port": _parse_internal_port,
        "family": _choice("family", FAMILIES, _fold_family),
        "conflict": _conflict,
        "backend": lambda value: _text("backend", value),
        "gateway": lambda value: parse_gateway(_text("gateway", value)),
        "remote": _parse_remote,
        "enabled": _switch("enabled"),
        "when": _choice("when", WHEN, str.lower),
        "until": _parse_until,
        "schedule": _parse_schedule,
        "same_port": _switch("same_port"),
    }
)
"""One parser per field. cattrs is not used here, because importing it adds 40 ms to every start."""
