"""The ports that are open on gateways, and for which object. The next leader reads them from a Secret."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import zlib
from collections.abc import Mapping
from typing import Any

import attrs

from portmapper.api import Event, EventKind, Family, Protocol, Row

MAX_OPEN_PORTS = 20_000
MAX_RECORD = 8 * 1024 * 1024
"""Bytes of an unpacked record."""


@attrs.frozen(order=True)
class OpenPort:
    """One open port.

    Attributes:
        protocol: TCP or UDP.
        family: IPv4 mapping or IPv6 pinhole.
        internal_address: the host that it leads to.
        internal_port: the port that it leads to.
        external_port: the open port.
    """

    protocol: Protocol
    family: Family
    internal_address: str
    internal_port: int
    external_port: int

    @classmethod
    def of_event(cls, event: Event) -> OpenPort | None:
        """Return the port of an event; None if the event concerns no open port."""
        parts = (event.protocol, event.internal_address, event.internal_port, event.external_port)
        if event.protocol is None or None in parts or event.internal_address is None:
            return None
        family = event.family or Family.of(event.internal_address)
        return cls(
            event.protocol,
            family,
            str(event.internal_address),
            int(event.internal_port or 0),
            int(event.external_port or 0),
        )

    @classmethod
    def of_document(cls, mapping: Mapping[str, Any]) -> OpenPort | None:
        """Return the port of a mapping in the status document; None if it is not open."""
        if mapping["state"] != "active" or not mapping["internal_address"] or not mapping["external_port"]:
            return None
        return cls(
            Protocol(mapping["protocol"]),
            Family(mapping["family"]),
            mapping["internal_address"],
            mapping["internal_port"],
            mapping["external_port"],
        )

    def row(self, origin: str, lifetime: int, note: str) -> Row:
        """Return a row for this port, which no object wants; `note` says why there is one."""
        fields: dict[str, object] = {
            "port": self.external_port,
            "protocol": self.protocol.value,
            "internal_port": self.internal_port,
            "address": self.internal_address,
            "family": self.family.value,
            "duration": lifetime,
            "comment": origin,
        }
        place = f"{origin}, port {self.external_port}/{self.protocol.lower()} {note}"
        return Row(fields, place, f"{place}, {{}}", origin=origin)


class OpenPorts:
    """Which ports are open, by object."""

    def __init__(self) -> None:
        self._origins: dict[OpenPort, str] = {}

    def __contains__(self, port: object) -> bool:
        return port in self._origins

    def of(self, origin: str) -> list[OpenPort]:
        """Return the open ports of one object."""
        return [port for port, owner in self._origins.items() if owner == origin]

    def observe(self, event: Event) -> None:
        """Follow an event of the daemon."""
        port = OpenPort.of_event(event)
        if port is None:
            return
        if event.kind in (EventKind.CLOSED, EventKind.LOST):
            self._origins.pop(port, None)
        elif event.kind in (EventKind.OPENED, EventKind.EXTERNAL_PORT_CHANGED) and event.origin:
            self.add(port, event.origin)

    def add(self, port: OpenPort, origin: str) -> None:
        """Note that a port is open."""
        if port in self._origins or len(self._origins) < MAX_OPEN_PORTS:
            self._origins[port] = origin

    def discard(self, port: OpenPort) -> None:
        """Forget a port that nothing can close."""
        self._origins.pop(port, None)

    def items(self) -> list[tuple[OpenPort, str]]:
        """Return each port with its object."""
        return list(self._origins.items())

    def pack(self) -> bytes:
        """Return the record for the next leader. The same ports always give the same bytes."""
        rows = [
            [
                origin,
                port.protocol,
                port.family,
                port.internal_address,
                port.internal_port,
                port.external_port,
            ]
            for port, origin in sorted(self._origins.items())
        ]
        return base64.b64encode(zlib.compress(json.dumps(rows).encode(), 9))

    def unpack(self, record: bytes) -> None:
        """Add the ports of a record; ignore what is invalid."""
        for row in _rows(record):
            try:
                origin, protocol, family, address, internal_port, external_port = row
                ipaddress.ip_address(address)
                port = OpenPort(
                    Protocol(protocol), Family(family), address, int(internal_port), int(external_port)
                )
            except (ValueError, TypeError):
                continue
            self.add(port, str(origin))


def _rows(record: bytes) -> list[Any]:
    try:
        text = zlib.decompressobj().decompress(base64.b64decode(record, validate=True), MAX_RECORD)
        rows = json.loads(text)
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        return []
    return rows if isinstance(rows, list) else []
