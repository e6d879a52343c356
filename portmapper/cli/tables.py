"""The status document as rich tables, for terminals of 80 columns or more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from portmapper.support.text import endpoint, printable

COMMENT_LENGTH = 40
"""Comments are cut to this many characters."""

_COLORS = {"active": "green", "pending": "yellow", "conflict": "red", "refused": "red", "failed": "red"}


def print_status(document: dict[str, Any]) -> None:
    """Print a status document."""
    Console().print(render(document))


def render(document: dict[str, Any]) -> RenderableType:
    """Return a status document as tables and lines: mappings, errors, gateways, sources and faults."""
    parts: list[RenderableType] = [_mappings(document["mappings"])]
    parts += [_error_line(mapping) for mapping in document["mappings"] if mapping["error"]]
    parts += [Text(_gateway_line(gateway), style="dim") for gateway in document["gateways"]]
    parts += [line for source in document["sources"] for line in _source_lines(source)]
    parts += [_fault_line(fault) for fault in document.get("faults", ())]
    if document.get("error"):
        parts.append(Text(printable(document["error"]), style="red"))
    return Group(*parts)


def _mappings(mappings: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Mapping", "External"):
        table.add_column(name, overflow="fold", min_width=10)
    for name in ("State", "By"):
        table.add_column(name, no_wrap=True)
    table.add_column("Renewal", justify="right", no_wrap=True)
    # Comments wrap, so that a long comment takes no room from the other columns.
    table.add_column("Comment", overflow="fold", min_width=8)
    several = len({mapping.get("gateway") for mapping in mappings if mapping.get("gateway")}) > 1
    for mapping in mappings:
        state = mapping["state"]
        table.add_row(
            Text(f"{mapping['protocol']} {_internal(mapping)}"),
            Text(_external(mapping)),
            Text(state, style=_COLORS[state]),
            Text(_holder(mapping, several)),
            Text(_renewal(mapping)),
            Text(printable(mapping["comment"] or "", COMMENT_LENGTH)),
        )
    return table


def _holder(mapping: dict[str, Any], several: bool) -> str:
    """Return the backend, and with several gateways also the gateway on a second line."""
    backend = mapping["backend"] or "-"
    return f"{backend}\n{mapping['gateway']}" if several and mapping.get("gateway") else backend


def _error_line(mapping: dict[str, Any]) -> Text:
    port = mapping["wanted_external_port"] or mapping["internal_port"]
    return Text(
        printable(f"{mapping['protocol']} {port}: {mapping['error']}"), style=_COLORS[mapping["state"]]
    )


def _internal(mapping: dict[str, Any]) -> str:
    return endpoint(mapping["internal_address"], mapping["internal_port"])


def _external(mapping: dict[str, Any]) -> str:
    port = mapping["external_port"] or mapping["wanted_external_port"] or "any"
    return endpoint(mapping["external_address"], port)


def _renewal(mapping: dict[str, Any]) -> str:
    """Return the time until the renewal; a permanent lease is only checked."""
    if mapping["permanent"]:
        return "checked"
    if mapping["renews_at"] is None:
        return "-"
    seconds = int((datetime.fromisoformat(mapping["renews_at"]) - datetime.now(UTC)).total_seconds())
    minutes, seconds = divmod(max(seconds, 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _gateway_line(gateway: dict[str, Any]) -> str:
    if ":" in gateway["address"]:
        return f"{gateway['protocol']} at {gateway['address']}, {gateway['detail']}"
    external = gateway["external_address"] or "unknown"
    detail = f" - {gateway['detail']}" if gateway["detail"] else ""
    return f"{gateway['protocol']} at {gateway['address']}, external address {external}{detail}"


def _source_lines(source: dict[str, Any]) -> list[Text]:
    location = printable(source["location"])
    lines = []
    if source["error"]:
        lines.append(Text(f"{location} is {source['state']}: {printable(source['error'])}", style="yellow"))
    lines += [
        Text(printable(f"{location}, {bad['where']}: {bad['reason']}"), style="yellow")
        for bad in source["rejected"]
    ]
    return lines


def _fault_line(fault: dict[str, Any]) -> Text:
    times = f" ({fault['count']} times)" if fault["count"] > 1 else ""
    return Text(printable(f"plugin {fault['plugin']}: {fault['error']}{times}"), style="red")
