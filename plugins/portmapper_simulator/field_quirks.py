"""Quirks from public reports of the second round: damage, slowness, hidden entries, narrow limits."""

from __future__ import annotations

import re

import attrs

from portmapper_simulator.errors import Fault
from portmapper_simulator.upnp_points import (
    ADD,
    CALL,
    FREE_PORT,
    LAYOUT,
    LIST_END,
    LISTEN,
    RESPONSE,
    SEARCH,
    AddRequest,
    Call,
    Layout,
    Listening,
    Response,
    Search,
)

LATE = 2.9
"""Seconds until a late answer to a search; more than a search usually takes."""

SLOW = 1.0
"""Seconds that a slow AddPortMapping takes; tests shorten the client's limit instead."""

SILENT = 3600.0
DAY = 86_400
SHORT_LEASE = 20
TABLE_SIZE = 4
PLACEHOLDER = {
    "NewInternalPort": "0",
    "NewInternalClient": "",
    "NewEnabled": "0",
    "NewPortMappingDescription": "",
    "NewLeaseDuration": "0",
}


@RESPONSE.quirk("H8", "overwrites bytes after the essential part of answers, as TP-Link Archer C8")
def _damaged(response: Response) -> Response:
    body = response.body.replace(b"</errorDescription>", b"\xf9\xc9</errorDescr\xbdption>")
    return attrs.evolve(response, body=body.replace(b"</s:Body>", b"</s:B\xc9dy>"))


@LAYOUT.quirk("H9", "describes itself in a folder, and serves relative control URLs at the root")
def _control_at_root(layout: Layout) -> Layout:
    services = tuple(attrs.evolve(s, control_url=f"ctl/{s.name}") for s in layout.services)
    return attrs.evolve(layout, services=services, location="/desc/rootDesc.xml")


@LAYOUT.quirk("H9-uuid", "has control URLs that look like absolute URLs: uuid:...")
def _control_with_colon(layout: Layout) -> Layout:
    services = tuple(attrs.evolve(s, control_url=f"uuid:1/{s.name}") for s in layout.services)
    return attrs.evolve(layout, services=services)


@CALL.quirk("H10", "accepts no whitespace between the elements of a request")
def _compact_only(call: Call) -> Call:
    if re.search(rb">\s+<", call.body):
        raise Fault(402)
    return call


@LISTEN.quirk("H11", "closes a second connection without an answer")
def _single(listening: Listening) -> Listening:
    return attrs.evolve(listening, connections=1)


@SEARCH.quirk("D12", "sends a LOCATION on the IPv6 loopback address")
def _ipv6_loopback(search: Search) -> Search:
    answers = tuple(
        attrs.evolve(answer, headers={**answer.headers, "LOCATION": _on_loopback(answer.headers["LOCATION"])})
        for answer in search.answers
    )
    return attrs.evolve(search, answers=answers)


def _on_loopback(location: str) -> str:
    return re.sub(r"//[\d.]+", "//[::1]", location, count=1)


@SEARCH.quirk("D13", "answers searches after 2.9 s")
def _late(search: Search) -> Search:
    return attrs.evolve(search, answers=tuple(attrs.evolve(a, delay=LATE) for a in search.answers))


@LAYOUT.quirk("S7")
def _two_services(layout: Layout) -> Layout:
    (service,) = layout.services[:1]
    second = attrs.evolve(service, name="WANIPConn2", control_url="/ctl/WANIPConn2")
    return attrs.evolve(layout, services=(service, second))


@CALL.quirk("S7", "has two WAN connections, and the first answers AddPortMapping with 501")
def _first_refuses(call: Call) -> Call:
    if call.action.startswith("Add") and call.service is not None and call.service.name == "WANIPConn1":
        raise Fault(501)
    return call


@LAYOUT.quirk("S8", "reports an IPv6 address as external address")
def _ipv6_address(layout: Layout) -> Layout:
    services = tuple(attrs.evolve(s, external_address="2001:db8::1") for s in layout.services)
    return attrs.evolve(layout, services=services)


@CALL.quirk("M17", "shows none of its entries (714, 713)")
def _hidden(call: Call) -> Call:
    hidden = {"GetSpecificPortMappingEntry": 714, "GetGenericPortMappingEntry": 713}
    if call.action in hidden:
        raise Fault(hidden[call.action])
    return call


FREE_PORT.quirk("M18", "shows an empty entry for a free port")(lambda _: PLACEHOLDER)


@ADD.quirk("M19", "402 for a description with punctuation, or with more than 30 characters")
def _plain_descriptions(request: AddRequest) -> AddRequest:
    if not re.fullmatch("[A-Za-z0-9 ]{1,30}", request.description):
        raise Fault(402)
    return request


LIST_END.quirk("M20", "ends a listing with 401")(lambda _: 401)


@RESPONSE.quirk("M21", "takes its time for AddPortMapping")
def _slow_add(response: Response) -> Response:
    return attrs.evolve(response, delay=SLOW) if b"AddPortMappingResponse" in response.body else response


@ADD.quirk("M22", "402 for lifetime 0, and for more than a day")
def _at_most_a_day(request: AddRequest) -> AddRequest:
    if not 0 < request.lifetime <= DAY:
        raise Fault(402)
    return request


@LAYOUT.quirk("M23", "moves its control URLs at each restart, but not its description")
def _moving_control(layout: Layout) -> Layout:
    services = tuple(
        attrs.evolve(service, control_url=f"{service.control_url}-{layout.boot}")
        for service in layout.services
    )
    return attrs.evolve(layout, services=services)


@ADD.quirk("M24", "grants 20 seconds, whatever is requested")
def _short_lease(request: AddRequest) -> AddRequest:
    return attrs.evolve(request, lifetime=SHORT_LEASE)


@ADD.quirk("M25", "holds four entries, and accepts more without storing them")
def _full(request: AddRequest) -> AddRequest:
    return attrs.evolve(request, kept=request.renews or request.entries < TABLE_SIZE)


@RESPONSE.quirk("M26", "does not answer queries, only requests that change something")
def _silent_queries(response: Response) -> Response:
    is_query = re.search(rb"<u:Get\w+Response", response.body) is not None
    return attrs.evolve(response, delay=SILENT) if is_query else response
