"""Parses the arguments of `open`: `8080`, `8080/udp`, `8080:80`, `2722-2723/both`, `minecraft`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from portmapper.api.errors import UsageError, quoted

FORM = "PORT[:PORT][/tcp|/udp|/both]"


def port_records(texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the records, in the form of list rows, for each argument; a preset may have several.

    Raises:
        UsageError: an argument is neither a port nor the name of a preset.
    """
    from portmapper.sources.presets import find_preset, is_name

    for text in texts:
        if is_name(text):
            preset = find_preset(text)
            yield from ({**_record(ports), "comment": preset.title} for ports in preset.ports)
        else:
            yield _record(text)


def _record(text: str) -> dict[str, Any]:
    from portmapper.sources.port_syntax import parse_port_argument, parse_ports

    ports, slash, protocol = text.partition("/")
    external, colon, internal = ports.partition(":")
    parse_port_argument(f"{external}{slash}{protocol}")
    record = {"port": external, "protocol": protocol.upper() or "TCP"}
    if not colon:
        return record
    try:
        parse_ports(internal)
    except ValueError as error:
        raise UsageError(f"{quoted(text)}: the internal port {error}; write {FORM}") from None
    return {**record, "internal_port": internal}
