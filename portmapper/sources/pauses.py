"""The gate of paused rows, and which pause belongs to which row."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from datetime import datetime

from portmapper.api.model import ANY_PORT, Mapping, MappingState, Protocol
from portmapper.sources.adhoc import COMMAND_LINE
from portmapper.sources.gates import PASS, Gate, Verdict
from portmapper.support.duration import format_local

PauseKey = tuple[Protocol, int, str, int]


def pause_key(mapping: Mapping) -> PauseKey:
    """Return what identifies a row for a pause; an edit of its other fields does not end the pause."""
    if mapping.port != ANY_PORT:
        return (mapping.protocol, mapping.port, "", 0)
    return (mapping.protocol, ANY_PORT, str(mapping.address or ""), mapping.internal_port)


def pause_gate(paused: AnyMapping[PauseKey, datetime]) -> Gate:
    """Return a gate that holds back the rows in `paused`. What `open` requested cannot be paused."""

    def gate(mapping: Mapping, now: datetime) -> Verdict:
        since = paused.get(pause_key(mapping)) if paused else None
        if since is None or mapping.source == COMMAND_LINE:
            return PASS
        return Verdict(MappingState.PAUSED, f"paused since {format_local(since)}. {_advice(mapping)}")

    return gate


def _advice(mapping: Mapping) -> str:
    port = mapping.port or mapping.internal_port
    return f"Run 'portmapper resume {port}/{mapping.protocol.lower()}' to open it."
