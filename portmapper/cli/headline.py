"""The first lines of a status screen: how many ports are open, where, and which daemon keeps them open."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from portmapper.cli.lines import cell_len
from portmapper.cli.wording import HELD_BACK, external_text, gateways_in_use, protocol_name
from portmapper.support.duration import format_duration, format_local
from portmapper.support.text import printable

SEPARATOR = " · "


def headline(document: dict[str, Any], width: int | None) -> list[str]:
    """Return the answer: `40 of 41 open, 1 paused · 203.0.113.7 (public) · PCP on 192.168.88.1`."""
    mappings = document["mappings"]
    counts = Counter(mapping["state"] for mapping in mappings)
    held_back = [f"{counts[state]} {state}" for state in HELD_BACK if counts[state]]
    wanted = len(mappings) - sum(counts[state] for state in HELD_BACK)
    is_open = ", ".join([f"{counts['active']} of {wanted} open", *held_back])
    where = [_brief(item, width) for item in _where(document)]
    return pack([*_standby(document), is_open, *where], width)


def _brief(item: str, width: int | None) -> str:
    """Omit what a kind of address means if the item is wider than the screen; a warning explains it."""
    return item if width is None or cell_len(item) <= width else re.sub(r"\((\w+): .*\)", r"(\1)", item)


def daemon_lines(document: dict[str, Any], now: datetime, width: int | None) -> list[str]:
    """Return the lines that identify the daemon, or report that none runs and when the leases end."""
    state = [f"state {printable(document['state_dir'])}"] if document.get("state_dir") else []
    if document.get("pid") is None:
        return pack([*_without_daemon(document, now), *state], width)
    started = datetime.fromisoformat(document["started_at"])
    lists = [f"list {printable(source['location'])}" for source in document["sources"]]
    items = [f"pid {document['pid']}", f"since {format_local(started)}", f"portmapper {document['version']}"]
    web = [f"web page {printable(document['web_address'])}"] if document.get("web_address") else []
    return pack([*items, *lists, *state, *web, *_next_check(document, now)], width)


def pack(items: Iterable[str], width: int | None) -> list[str]:
    """Join items to as few lines as possible; only an item that is wider than the screen is cut."""
    lines: list[str] = []
    for item in (shortened(item, width) for item in items):
        joined = f"{lines[-1]}{SEPARATOR}{item}" if lines else item
        if lines and (width is None or cell_len(joined) <= width):
            lines[-1] = joined
        else:
            lines.append(item)
    return lines


def shortened(text: str, width: int | None) -> str:
    """Cut the middle out of a text that is wider than the screen: both ends of a path matter."""
    if width is None or cell_len(text) <= width:
        return text
    half = max((width - 1) // 2, 1)
    head, tail = text[:half], text[-half:]
    while cell_len(head) + cell_len(tail) >= width and head:
        head, tail = head[:-1], tail[1:]
    return f"{head}…{tail}"


def _standby(document: dict[str, Any]) -> list[str]:
    """Return `standby; node-b leads` for a daemon that waits until it may lead."""
    if document.get("role") != "standby":
        return []
    leader = document.get("leader")
    return [f"standby; {printable(leader)} leads" if leader else "standby; the leader is not known"]


def _where(document: dict[str, Any]) -> list[str]:
    """Return the external addresses and the gateways, each once."""
    gateways = gateways_in_use(document)
    if not gateways:
        return _where_by_leases(document["mappings"]) if document.get("pid") is None else [_SEARCHING]
    externals = [_external(gateway, document["mappings"]) for gateway in gateways]
    places = [f"{protocol_name(gateway['backend'])} on {gateway['address']}" for gateway in gateways]
    return list(dict.fromkeys([*filter(None, externals), *places]))


_SEARCHING = "searching for a gateway…"


def _external(gateway: dict[str, Any], mappings: Sequence[dict[str, Any]]) -> str:
    if ":" in gateway["address"]:
        return ""  # a pinhole has no other external address than the host's own
    if gateway["external_address"]:
        return external_text(gateway["external_address"], gateway["external_kind"])
    # PCP tells the external address only when it opens a port.
    granted = (m["external_address"] for m in mappings if m["gateway"] == gateway["address"])
    return _with_kind(next(filter(None, granted), None))


def _with_kind(address: str | None) -> str:
    import ipaddress

    from portmapper.api.external import external_kind

    parsed = ipaddress.ip_address(address) if address else None
    return external_text(address, external_kind(parsed).value)


def _where_by_leases(mappings: Sequence[dict[str, Any]]) -> list[str]:
    ours = [mapping for mapping in mappings if mapping["family"] == "ipv4" and mapping["backend"]]
    externals = [_with_kind(mapping["external_address"]) for mapping in ours]
    places = [f"{protocol_name(mapping['backend'])} on {mapping['gateway']}" for mapping in ours]
    return list(dict.fromkeys([*externals, *places]))


def _without_daemon(document: dict[str, Any], now: datetime) -> list[str]:
    active = [mapping for mapping in document["mappings"] if mapping["state"] == "active"]
    if not document["mappings"]:
        return ["no daemon runs"]
    if not active:
        return ["no daemon runs", "the leases of the last run ended"]
    ends = [datetime.fromisoformat(m["expires_at"]) for m in active if m["expires_at"]]
    if not ends:
        return ["no daemon runs", "leases of an earlier run", "they have no end"]
    left = format_duration((min(ends) - now).total_seconds())
    which = "it ends" if len(ends) == len(active) == 1 else "the first ends"
    return ["no daemon runs", "leases of an earlier run", f"{which} in {left}"]


def _next_check(document: dict[str, Any], now: datetime) -> list[str]:
    if not document.get("next_check_at"):
        return []
    at = datetime.fromisoformat(document["next_check_at"])
    return [f"next check in {format_duration((at - now).total_seconds())}"]
