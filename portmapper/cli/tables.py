"""The status document as rich tables; fits 80 columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from portmapper.support.text import endpoint, printable

COMMENT_LENGTH = 40
"""Characters of a mapping's comment that are shown."""

_COLOURS = {"active": "green", "pending": "yellow", "conflict": "red", "refused": "red", "failed": "red"}


def print_status(document: dict[str, Any]) -> None:
    """Show the document once."""
    Console().print(render(document))


def render(document: dict[str, Any]) -> RenderableType:
    """Return the document as tables: mappings, gateways, sources that have something to say."""
    parts: list[RenderableType] = [_mappings(document["mappings"])]
    parts += [_why_line(mapping) for mapping in document["mappings"] if mapping["error"]]
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
    # It gives way first: a column that may not wrap would take the others' room where it is long.
    table.add_column("Comment", overflow="fold", min_width=8)
    several = len({mapping.get("gateway") for mapping in mappings if mapping.get("gateway")}) > 1
    for mapping in mappings:
        state = mapping["state"]
        table.add_row(
            Text(f"{mapping['protocol']} {_inside(mapping)}"),
            Text(_outside(mapping)),
            Text(state, style=_COLOURS[state]),
            Text(_holder(mapping, several)),
            Text(_renewal(mapping)),
            Text(printable(mapping["comment"] or "", COMMENT_LENGTH)),
        )
    return table


def _holder(mapping: dict[str, Any], several: bool) -> str:
    """Name the backend, and on a line of its own the gateway where there are several."""
    backend = mapping["backend"] or "-"
    return f"{backend}\n{mapping['gateway']}" if several and mapping.get("gateway") else backend


def _why_line(mapping: dict[str, Any]) -> Text:
    port = mapping["wanted_external_port"] or mapping["internal_port"]
    return Text(
        printable(f"{mapping['protocol']} {port}: {mapping['error']}"), style=_COLOURS[mapping["state"]]
    )


def _inside(mapping: dict[str, Any]) -> str:
    return endpoint(mapping["internal_address"], mapping["internal_port"])


def _outside(mapping: dict[str, Any]) -> str:
    port = mapping["external_port"] or mapping["wanted_external_port"] or "any"
    return endpoint(mapping["external_address"], port)


def _renewal(mapping: dict[str, Any]) -> str:
    """Say when it will be renewed; a lease without end is looked at instead."""
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
