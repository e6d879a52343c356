"""Quirks of the fourth round: descriptions elsewhere or damaged, and entries written in unusual ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import attrs

from portmapper_simulator.description import PROLOGUE
from portmapper_simulator.errors import Fault
from portmapper_simulator.upnp_points import (
    ADD,
    CALL,
    LAYOUT,
    LISTEN,
    RESPONSE,
    ROW,
    SEARCH,
    AddRequest,
    Call,
    Layout,
    Listening,
    Response,
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


def _with_location(search: Search, change: Callable[[str], str]) -> Search:
    answers = tuple(
        attrs.evolve(a, headers={**a.headers, "LOCATION": change(a.headers["LOCATION"])})
        for a in search.answers
    )
    return attrs.evolve(search, answers=answers)


@SEARCH.quirk("D16", "sends a LOCATION without http://")
def _without_scheme(search: Search) -> Search:
    return _with_location(search, lambda url: url.removeprefix("http://"))


@SEARCH.quirk("D16-quoted", "sends a LOCATION in angle brackets")
def _in_brackets(search: Search) -> Search:
    return _with_location(search, lambda url: f"<{url}>")


@RESPONSE.quirk("H14", "leaves elements of its description open, and attributes unquoted")
def _open_elements(response: Response) -> Response:
    body = response.body.replace(b"<friendlyName>", b"<friendlyName><b>Home & more ")
    return attrs.evolve(response, body=re.sub(rb'<root xmlns="([^"]*)"', rb"<root xmlns=\1", body))


@RESPONSE.quirk("H14-twice", "sends two XML declarations, and a web page before its description")
def _two_declarations(response: Response) -> Response:
    if b"</root>" not in response.body:
        return response
    return attrs.evolve(response, body=PROLOGUE.encode() + b"<html><body></html>" + response.body)


@CALL.quirk("M8-606", "606 for AddAnyPortMapping, and accepts AddPortMapping")
def _no_any_port(call: Call) -> Call:
    if call.action == "AddAnyPortMapping":
        raise Fault(606)
    return call


@ADD.quirk("M31", "718 for a description that another entry has")
def _unique_descriptions(request: AddRequest) -> AddRequest:
    if request.description in request.other_descriptions:
        raise Fault(718)
    return request
