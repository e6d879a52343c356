"""The first lines: how many ports are open, and the external addresses."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from portmapper.api import external_kind
from portmapper.support.text import plural, sentence
from portmapper_web.markup import Content, Markup, tag
from portmapper_web.parts import copy_button, kind_badge
from portmapper_web.words import HELD_BACK

STANDBY = "This daemon is on standby: another one keeps the ports open."


@attrs.frozen
class Counts:
    """How many mappings there are of each kind.

    Attributes:
        open: the open ones.
        wanted: those that should be open now.
        rejected: the rejected rows, which are no mappings.
        held_back: the counts of those that are paused or wait.
    """

    open: int
    wanted: int
    rejected: int
    held_back: Mapping[str, int]

    @property
    def headline(self) -> str:
        """The answer: `40 of 41 open`."""
        return f"{self.open} of {self.wanted} open"


def counts_of(mappings: Sequence[Mapping[str, Any]], sources: Sequence[Mapping[str, Any]]) -> Counts:
    """Count mappings and rejected rows."""
    states = Counter(mapping["state"] for mapping in mappings)
    held_back = {state: states[state] for state in HELD_BACK if states[state]}
    rejected = sum(len(source["rejected"]) for source in sources)
    return Counts(states["active"], len(mappings) - sum(held_back.values()), rejected, held_back)


def summary_section(counts: Counts, status: Mapping[str, Any], now: datetime) -> Markup:
    """Return the summary with the external addresses; the script compares its clock with `now`."""
    look = "good" if counts.open == counts.wanted and not counts.rejected else "bad"
    return tag(
        "section",
        tag("h1", tag("span", counts.headline, class_=look), *_rejected(counts), *_held_back(counts)),
        tag("p", _standby(status)) if status.get("role") == "standby" else None,
        _addresses(status),
        id="summary",
        data_live=True,
        data_title=f"{counts.headline} · portmapper",
        data_now=now.isoformat(),
    )


def _standby(status: Mapping[str, Any]) -> str:
    """Return `standby; node-b leads`, and what that means."""
    leader = status.get("leader")
    return f"standby; {leader} leads. {STANDBY}" if leader else STANDBY


def _rejected(counts: Counts) -> list[Content]:
    link = tag("a", plural(counts.rejected, "rejected row"), href="#sources", class_="bad")
    return [tag("small", " · ", link)] if counts.rejected else []


def _held_back(counts: Counts) -> list[Content]:
    return [tag("small", f" · {count} {state}") for state, count in counts.held_back.items()]


def _addresses(status: Mapping[str, Any]) -> Markup:
    known = external_addresses(status)
    if not known:
        waits = "External address not known yet" if status["gateways"] else "Searching for a gateway…"
        return tag("p", waits, class_="addresses")
    return tag("ul", map(_address, known.items()), class_="addresses plain", aria_label="External addresses")


def _address(item: tuple[str, Mapping[str, Any]]) -> Markup:
    address, gateway = item
    detail = gateway["detail"] if gateway["external_kind"] in ("private", "cgnat") else None
    return tag(
        "li",
        tag("b", address, class_="address"),
        " ",
        kind_badge(gateway["external_kind"]),
        copy_button(address, address),
        detail and tag("p", sentence(detail), class_="reason"),
    )


def external_addresses(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the external addresses, each with its kind; a protocol may tell it only with a mapping."""
    known = {gateway["external_address"]: gateway for gateway in status["gateways"] if _is_external(gateway)}
    for mapping in status["mappings"]:
        address = mapping["external_address"]
        if address and mapping["family"] == "ipv4" and address not in known:
            known[address] = {"external_kind": _kind(address), "detail": ""}
    return known


def _is_external(gateway: Mapping[str, Any]) -> bool:
    return bool(gateway["external_address"]) and ":" not in gateway["address"]


def _kind(address: str) -> str:
    return external_kind(ipaddress.ip_address(address)).value
