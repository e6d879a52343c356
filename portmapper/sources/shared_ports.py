"""Warns of rows that want one external port for different hosts: a gateway can open it for one of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Mapping as AnyMapping

from portmapper.api.model import IPAddress, Mapping
from portmapper.api.reading import Rejected

MAX_SHOWN = 20
"""Maximum number of such rows of one list that are reported."""


def shared_ports(mappings: Collection[Mapping], lines: AnyMapping[str, int]) -> Sequence[Rejected]:
    """Return a warning for each row that wants a port of an earlier row for another host.

    Rows for a network are left out: another gateway may serve it.

    Args:
        mappings: those of the whole document, in its order.
        lines: the line of each row, if its place does not name it.
    """
    if not any(mapping.address for mapping in mappings):
        return ()  # as in most lists, and in long ones
    first: dict[tuple[object, ...], Mapping] = {}
    warnings: dict[str, Rejected] = {}
    for mapping in filter(_is_for_one_host, mappings):
        other = first.setdefault((mapping.port, mapping.protocol, mapping.gateway), mapping)
        if other.address != mapping.address and len(warnings) < MAX_SHOWN:
            warnings.setdefault(mapping.where, _warning(mapping, other, lines.get(mapping.where, 0)))
    return list(warnings.values())


def _is_for_one_host(mapping: Mapping) -> bool:
    named = mapping.address is None or isinstance(mapping.address, IPAddress)
    return named and bool(mapping.port) and mapping.family != "ipv6"


def _warning(mine: Mapping, first: Mapping, line: int) -> Rejected:
    port = f"{mine.port}/{mine.protocol.lower()}"
    reason = f"{port} is also in {first.where}, for another host: a gateway can open it for one host"
    return Rejected(mine.where, reason, line)
