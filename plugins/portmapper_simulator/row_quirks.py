"""Quirks of the fourth round: descriptions elsewhere, and entries that are written in unusual ways."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from portmapper_simulator.errors import Fault
from portmapper_simulator.upnp_points import (
    CALL,
    LAYOUT,
    LISTEN,
    ROW,
    SEARCH,
    Call,
    Layout,
    Listening,
    Search,
)

VERY_LATE = 5.5
"""Seconds until a very late answer to a search."""

_OF_ONE_ENTRY = ("GetSpecificPortMappingEntry", "DeletePortMapping")


@LAYOUT.quirk("D15", "redirects from its LOCATION to the description in a folder")
def _redirects(layout: Layout) -> Layout:
    return attrs.evolve(layout, location="/igd/rootDesc.xml", redirect="/rootDesc.xml")


@LISTEN.quirk("D15-port")
def _second_port(listening: Listening) -> Listening:
    return attrs.evolve(listening, ports=(*listening.ports, 0))


@LAYOUT.quirk("D15-port", "redirects from its LOCATION to the description on another port (307)")
def _redirects_to_port(layout: Layout) -> Layout:
    return attrs.evolve(layout, redirect="/upnp", redirect_status=307)


@LAYOUT.quirk("D15-loop", "redirects from its LOCATION to itself (301)")
def _redirects_to_itself(layout: Layout) -> Layout:
    return attrs.evolve(layout, redirect=layout.location, redirect_status=301)


@SEARCH.quirk("D13-5s", "answers searches after 5.5 s")
def _very_late(search: Search) -> Search:
    return attrs.evolve(search, answers=tuple(attrs.evolve(a, delay=VERY_LATE) for a in search.answers))


@LAYOUT.quirk("H9-empty", "has empty control URLs, and takes calls at the URL of its description")
def _empty_control(layout: Layout) -> Layout:
    services = tuple(attrs.evolve(s, control_url="") for s in layout.services)
    return attrs.evolve(layout, services=services)


@CALL.quirk("M29")
def _found_only_with_star(call: Call) -> Call:
    if call.action in _OF_ONE_ENTRY and call.arguments.get("NewRemoteHost") == "":
        raise Fault(714)
    return call


@ROW.quirk("M29", "shows the remote host * for every host, and finds an entry only with it")
def _star(fields: Mapping[str, str]) -> Mapping[str, str]:
    return {**fields, "NewRemoteHost": fields["NewRemoteHost"] or "*"}


@CALL.quirk("M29-listed", "finds no single entry (714), and shows it in the listing")
def _only_listed(call: Call) -> Call:
    if call.action == "GetSpecificPortMappingEntry":
        raise Fault(714)
    return call


@ROW.quirk("M30", "shows the protocol TCP/UDP in its entries")
def _both_protocols(fields: Mapping[str, str]) -> Mapping[str, str]:
    return {**fields, "NewProtocol": "TCP/UDP"}


@ROW.quirk("M30-both", "shows the protocol BOTH in its entries")
def _both(fields: Mapping[str, str]) -> Mapping[str, str]:
    return {**fields, "NewProtocol": "BOTH"}
