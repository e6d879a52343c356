"""The mappings: problems first, each with its reason, what to do, and its buttons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import attrs

from portmapper.support.text import endpoint, plural
from portmapper.support.wording import protocol_name
from portmapper_web.advice import advice
from portmapper_web.choice import FILTERS, Choice, Chosen
from portmapper_web.markup import Content, Markup, tag
from portmapper_web.parts import badge, copy_button, countdown, moment, question, seconds_until
from portmapper_web.words import STATES, host_text, mapping_port

Document = Mapping[str, Any]

ADHOC = "command line"
"""The source of mappings that `open` requested."""


@attrs.frozen
class Scene:
    """What the rows have in common.

    Attributes:
        now: the time.
        may_change: the visitor may change something.
        has_gateway: a gateway answers.
        has_lists: the mappings are from several lists, so each names its own.
    """

    now: datetime
    may_change: bool
    has_gateway: bool
    has_lists: bool


def mappings_section(chosen: Chosen, choice: Choice, scene: Scene) -> Markup:
    """Return the section with filter, list and pages."""
    return tag(
        "section",
        tag("h2", "Port mappings", id="mappings-title"),
        _filter(choice),
        tag(
            "div",
            tag("p", _count(chosen, choice), id="mapping-count", role="status"),
            tag("ul", (_row(mapping, scene) for mapping in chosen.mappings), class_="mappings plain"),
            _pages(chosen, choice),
            id="mapping-list",
            data_live=True,
        ),
        id="mappings",
        aria_labelledby="mappings-title",
        tabindex=-1,
    )


def _filter(choice: Choice) -> Markup:
    options = (
        tag("option", label, value=name, selected=name == choice.show) for name, label in FILTERS.items()
    )
    search = tag("input", type="search", name="q", id="q", value=choice.search, autocomplete="off")
    return tag(
        "form",
        tag("label", tag("span", "Search"), search),
        tag("label", tag("span", "Show"), tag("select", options, name="show", id="show")),
        tag("button", "Apply", class_="apply"),
        id="filter",
        role="search",
        method="get",
        action="/",
    )


def _count(chosen: Chosen, choice: Choice) -> str:
    if not chosen.count:
        return "No mapping matches." if choice.fields else "There are no mappings yet."
    page = f", page {chosen.page} of {chosen.pages}" if chosen.pages > 1 else ""
    return f"{plural(chosen.count, 'mapping')}{page}"


def _pages(chosen: Chosen, choice: Choice) -> Markup | None:
    if chosen.pages == 1:
        return None
    links = [("Previous", chosen.page - 1), ("Next", chosen.page + 1)]
    return tag(
        "nav",
        (_page_link(label, page, choice) for label, page in links if 1 <= page <= chosen.pages),
        aria_label="Pages of mappings",
    )


def _page_link(label: str, page: int, choice: Choice) -> Markup:
    query = urlencode({**choice.fields, "page": page})
    return tag("a", f"{label} page", href=f"/?{query}#mappings", class_="button")


def _row(mapping: Document, scene: Scene) -> Markup:
    state: str = mapping["state"]
    return tag(
        "li",
        tag("div", badge(STATES.get(state, state), state), tag("b", mapping_port(mapping)), class_="port"),
        tag("div", _places(mapping), _notes(mapping, scene), _reachable(mapping), class_="place"),
        tag("div", _time(mapping, scene.now), class_="time"),
        tag("div", _button(mapping) if scene.may_change else None, class_="do"),
        _problem(mapping, scene),
        class_=f"mapping {state}",
        data_port=mapping_port(mapping),
        data_state=state,
    )


def _places(mapping: Document) -> list[Content]:
    inside = tag("span", "→ ", host_text(mapping), class_="address")
    if not mapping["external_port"] or not mapping["external_address"]:
        return [inside]
    outside = endpoint(mapping["external_address"], mapping["external_port"])
    name = f"{mapping_port(mapping)}-{mapping['family']}"
    return [tag("span", outside, " ", class_="address"), inside, copy_button(outside, name)]


def _notes(mapping: Document, scene: Scene) -> Markup:
    over = f"over {protocol_name(mapping['backend'])}" if mapping["backend"] else ""
    gateway = f"on {mapping['gateway']}" if mapping["backend"] and mapping["gateway"] else ""
    remote = f"only from {mapping['remote']}" if mapping.get("remote") else ""
    listed = mapping["source"] if scene.has_lists else ""
    source = "opened by request" if mapping["source"] == ADHOC else listed
    notes = [mapping["comment"], " ".join(filter(None, (over, gateway))), remote, source]
    return tag("div", " · ".join(filter(None, notes)), class_="notes")


def _reachable(mapping: Document) -> Markup | None:
    """Return what a probe server saw; None without one."""
    reachable = mapping.get("reachable")
    if not reachable:
        return None
    seen = f"seen from {reachable['seen_from']}" if reachable["state"] == "yes" else reachable["reason"]
    text = f"reachable from outside: {reachable['state']}, {seen} · "
    return tag("div", text, moment(reachable["at"]), class_="notes")


def _time(mapping: Document, now: datetime) -> Content:
    if mapping["permanent"]:
        return "no end"
    left = seconds_until(mapping["expires_at"], now)
    if left is None:
        return _next(mapping, now)
    lifetime, rest = max(mapping.get("lifetime") or int(left), 1), max(int(left), 0)
    meter = tag("meter", min=0, max=lifetime, value=min(rest, lifetime), aria_label="Remaining time")
    return [meter, countdown("", mapping["expires_at"], " left", now)]


def _next(mapping: Document, now: datetime) -> Content:
    if mapping.get("opens_at"):
        return ["opens at ", moment(mapping["opens_at"])]
    return countdown("next try in ", mapping["retries_at"], "", now) if mapping.get("retries_at") else None


def _button(mapping: Document) -> Markup | None:
    port = mapping["external_port"] or mapping["wanted_external_port"]
    if not port or mapping["state"] == "waiting":
        return None
    action = "close" if mapping["source"] == ADHOC else "pause"
    action = "resume" if mapping["state"] == "paused" else action
    # Both families of a port have a row.
    name = mapping_port(mapping) + (" over IPv6" if mapping["family"] == "ipv6" else "")
    return question(action, action.title(), {"port": port, "protocol": mapping["protocol"].lower()}, name)


def _problem(mapping: Document, scene: Scene) -> Markup | None:
    if mapping["state"] == "active":
        return None
    todo = advice(mapping, has_gateway=scene.has_gateway)
    return tag(
        "div",
        tag("p", mapping["reason"], class_="reason") if mapping.get("reason") else None,
        tag("p", todo, class_="todo") if todo else None,
        class_="problem",
    )
