"""Gateways, sources, the journal, and what failed."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from portmapper.support.text import plural, sentence
from portmapper.support.wording import event_text
from portmapper_web.markup import Content, Markup, tag
from portmapper_web.parts import badge, kind_badge, moment, section

MAX_REJECTED = 100
"""Rejected rows of one source that the page shows."""

LONGEST_URL = 200

Document = Mapping[str, Any]


def gateways_section(gateways: Sequence[Document], restarts: Mapping[str, str]) -> Markup:
    """Return the gateways, one entry for each device; `restarts` has the time of each last restart."""
    devices: dict[str, list[Document]] = {}
    for gateway in gateways:
        devices.setdefault(gateway["address"], []).append(gateway)
    entries = [_device(address, found, restarts.get(address)) for address, found in devices.items()]
    nothing = tag("p", "No gateway answered yet.")
    return section("gateways", "Gateways", tag("ul", entries, class_="plain") if entries else nothing)


def _device(address: str, gateways: Sequence[Document], restarted_at: str | None) -> Markup:
    model = next((gateway["model"] for gateway in gateways if gateway.get("model")), "")
    page = page_of(address, next((g["page"] for g in gateways if g.get("page")), ""))
    external = next((gateway for gateway in gateways if gateway["external_address"]), None)
    facts: dict[str, Content] = {
        "Address": address,
        "Protocols": ", ".join(dict.fromkeys(gateway["protocol"] for gateway in gateways)),
        "External address": external
        and [external["external_address"], " ", kind_badge(external["external_kind"])],
        "Last restart": moment(restarted_at) if restarted_at else "none seen",
        "Settings": page and tag("a", "Page of the router", href=page, rel="noreferrer", target="_blank"),
    }
    # One protocol may tell the external address, and another one not.
    told = [gateway for gateway in gateways if gateway["external_address"]] or gateways
    details = dict.fromkeys(sentence(gateway["detail"]) for gateway in told if gateway["detail"])
    return tag(
        "li",
        tag("h3", model or f"Gateway {address}"),
        tag("dl", ([tag("dt", name), tag("dd", fact)] for name, fact in facts.items() if fact)),
        (tag("p", detail, class_="reason") for detail in details),
    )


def page_of(address: str, page: str) -> str | None:
    """Return the URL of a router's page: the one that it reports, if that page is at its address."""
    host = f"[{address}]" if ":" in address else address
    try:
        parts = urlsplit(page)
        is_own = parts.scheme in ("http", "https") and parts.hostname == address and parts.username is None
        own = page if is_own and page.isascii() and len(page) <= LONGEST_URL else None
        return own or (f"http://{host}/" if ipaddress.IPv4Address(address).is_private else None)
    except ValueError:
        return None


def sources_section(sources: Sequence[Document]) -> Markup:
    """Return the lists with their rejected rows."""
    entries = [_source(source) for source in sources]
    nothing = tag("p", "There is no list.")
    return section("sources", "Lists", tag("ul", entries, class_="plain") if entries else nothing)


def _source(source: Document) -> Markup:
    rejected = source["rejected"]
    rows = [_rejected(row) for row in rejected[:MAX_REJECTED]]
    more = len(rejected) - len(rows)
    return tag(
        "li",
        tag("h3", source["location"]),
        tag("p", badge(source["state"], source["state"]), " ", plural(source["mappings"], "mapping")),
        tag("p", sentence(source["error"]), class_="reason") if source["error"] else None,
        tag("p", f"{plural(len(rejected), 'rejected row')}. Fix each row; the list is then read again.")
        if rejected
        else None,
        tag("ul", rows, class_="rejected plain") if rows else None,
        tag("p", f"… and {plural(more, 'more rejected row')}") if more else None,
    )


def _rejected(row: Document) -> Markup:
    place = f"line {row['line']}, {row['where']}" if row.get("line") else row["where"]
    return tag("li", tag("b", place), ": ", row["reason"], class_="reason")


def timeline_section(events: Sequence[Document], earlier: int | None, *, is_latest: bool) -> Markup:
    """Return events of the journal, the latest first; `earlier` is the id before which there are more."""
    entries = [_event(event) for event in reversed(events)]
    links = [
        *([("Earlier events", f"/?before={earlier}#timeline")] if earlier is not None else ()),
        *(() if is_latest else [("Latest events", "/#timeline")]),
    ]
    return section(
        "timeline",
        "Events",
        tag("ol", entries, class_="plain timeline") if entries else tag("p", "No events."),
        tag(
            "nav",
            (tag("a", label, href=href, class_="button") for label, href in links),
            aria_label="Pages of events",
        ),
    )


def _event(event: Document) -> Markup:
    return tag("li", moment(event["at"]), " ", event_text(event), class_=f"event {event['event']}")


def faults_section(status: Document, plugins: Sequence[Document]) -> Markup:
    """Return what failed in the daemon and its plugins."""
    entries = [
        *([tag("li", sentence(status["error"]))] if status["error"] else ()),
        *(tag("li", tag("b", problem["part"]), ": ", problem["error"]) for problem in status["problems"]),
        *(
            tag("li", tag("b", plugin["name"]), ": ", plugin["error"] or "failed")
            for plugin in plugins
            if plugin["state"] == "failed"
        ),
        *(
            tag("li", tag("b", fault["plugin"]), ": ", fault["error"], f" ({plural(fault['count'], 'time')})")
            for fault in status["faults"]
        ),
    ]
    nothing = tag("p", "No plugin failed.")
    return section("faults", "Failures", tag("ul", entries, class_="plain reason") if entries else nothing)
