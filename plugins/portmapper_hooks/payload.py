"""Event fields for hooks: the same names in JSON and in environment variables."""

from __future__ import annotations

import json

from portmapper.api import Event
from portmapper.support.text import printable

PREFIX = "PORTMAPPER_"


def fields_of(event: Event) -> dict[str, str | int | None]:
    """Return the event's fields by name, with texts bounded and safe for a terminal."""
    return {
        "event": event.kind.value,
        "at": event.at.isoformat(),
        "protocol": event.protocol.value if event.protocol else None,
        "family": event.family.value if event.family else None,
        "external_address": str(event.external_address) if event.external_address else None,
        "external_port": event.external_port,
        "wanted_external_port": event.wanted_external_port,
        "internal_address": str(event.internal_address) if event.internal_address else None,
        "internal_port": event.internal_port,
        "backend": printable(event.backend),
        "gateway": printable(event.gateway),
        "detail": printable(event.detail),
        "comment": printable(event.comment),
        "source": printable(event.source),
        "origin": printable(event.origin),
    }


def environment_of(event: Event) -> dict[str, str]:
    """Return the fields as environment variables; an unknown value is an empty string."""
    return {
        PREFIX + name.upper(): "" if value is None else str(value) for name, value in fields_of(event).items()
    }


def json_of(event: Event) -> bytes:
    """Return the fields as one line of JSON."""
    return json.dumps(fields_of(event)).encode() + b"\n"
