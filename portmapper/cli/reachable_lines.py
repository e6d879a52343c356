"""The line below a mapping that shows whether it is reachable from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from portmapper.cli.columns import wrapped
from portmapper.cli.lines import Line
from portmapper.support.duration import format_duration
from portmapper.support.text import printable

STYLES = {"yes": "dim", "no": "yellow"}


def is_unreachable(mapping: dict[str, Any]) -> bool:
    """Return whether a probe server has shown that the mapping is not reachable."""
    return (mapping.get("reachable") or {}).get("state") == "no"


def reachable_lines(
    mapping: dict[str, Any], document: dict[str, Any], now: datetime, width: int | None
) -> list[Line]:
    """Return `reachable from outside: …`, in as many lines as it needs; none without a result."""
    reachable = mapping.get("reachable")
    if not reachable:
        return []
    from portmapper.probe.text import reachable_text, seen_text  # only with a probe server

    ago = format_duration((now - datetime.fromisoformat(reachable["at"])).total_seconds())
    seen = seen_text(reachable["seen_from"], _address(mapping, document), mapping["external_port"], ago)
    text = printable(reachable_text(reachable["state"], reachable["reason"], seen))
    return [Line(line, STYLES.get(reachable["state"], "dim")) for line in wrapped(text, width)]


def _address(mapping: dict[str, Any], document: dict[str, Any]) -> object:
    """Return the address that the internet sees: behind another NAT, the gateway reports another one."""
    seen = (document.get("probe") or {}).get("external_address")
    return seen if seen and mapping["family"] == "ipv4" else mapping["external_address"]
