"""The ports to check, from a status document."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from portmapper.api.model import IPAddress, Protocol
from portmapper.probe.evidence import OpenPort

IsOurs = Callable[[IPAddress], bool]


def open_port(mapping: Mapping[str, Any], is_ours: IsOurs) -> OpenPort | None:
    """Return the port of a mapping in a status document; None if it is not open to the whole internet."""
    if mapping["state"] != "active" or not mapping["external_port"] or mapping.get("remote"):
        return None
    internal = ipaddress.ip_address(mapping["internal_address"])
    external = mapping["external_address"]
    return OpenPort(
        Protocol(mapping["protocol"]),
        int(mapping["external_port"]),
        int(mapping["internal_port"]),
        internal,
        ipaddress.ip_address(external) if external else None,
        is_ours(internal),
    )


def find_ports(
    wanted: Iterable[tuple[Protocol, int]], mappings: Iterable[Mapping[str, Any]], is_ours: IsOurs
) -> list[OpenPort]:
    """Return external ports with what the mappings say of them; an unknown one is a port of this host."""
    known: dict[tuple[Protocol, int], OpenPort] = {}
    for mapping in mappings:
        port = open_port(mapping, is_ours)
        if port is not None:
            known.setdefault((port.protocol, port.port), port)
    return [known.get(key) or OpenPort(key[0], key[1], key[1]) for key in wanted]
