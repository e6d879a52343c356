"""What a hook is told of an event: the same names as JSON and as environment variables."""

from __future__ import annotations

import json

from portmapper.api import Event
from portmapper.support.text import printable

PREFIX = "PORTMAPPER_"


def facts_of(event: Event) -> dict[str, str | int | None]:
    """Return the facts by name; texts are harmless to a terminal, and of bounded length."""
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
    }


def environment_of(event: Event) -> dict[str, str]:
    """Return the facts as environment variables; what is not known is empty."""
    return {
        PREFIX + name.upper(): "" if value is None else str(value) for name, value in facts_of(event).items()
    }


def json_of(event: Event) -> bytes:
    """Return the facts as one line of JSON."""
    return json.dumps(facts_of(event)).encode() + b"\n"
