"""What to do about a mapping that is not open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_IMPERATIVES = ("use ", "set ", "run ", "change ", "allow ", "switch ", "close ", "wait ", "fix ", "remove ")

ADVICE = {
    "conflict": 'Use another port, or set conflict = "next" to accept a free one.',
    "refused": "Allow the port in the settings of the router, or run doctor to find out why it refuses.",
    "failed": "portmapper tries again by itself. If this lasts, run doctor.",
    "pending": "portmapper is still trying. If this lasts, run doctor.",
    "paused": "Resume it to open it again.",
}
NO_GATEWAY = "Turn on UPnP or PCP in the settings of the router, or run doctor to find out why none answers."


def advice(mapping: Mapping[str, Any], *, has_gateway: bool) -> str | None:
    """Return what to do about a mapping; None if it is open, or if the reason already tells."""
    state, reason = mapping["state"], mapping.get("reason") or ""
    if any(f". {word}" in reason.lower().replace(": ", ". ") for word in _IMPERATIVES):
        return None
    if state in ("pending", "failed") and not has_gateway:
        return NO_GATEWAY
    return ADVICE.get(state)
