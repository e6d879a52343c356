"""Quirks of the third round: odd bodies and URLs, codes that mean something else, lost answers."""

from __future__ import annotations

import gzip

import attrs

from portmapper_simulator.errors import Fault
from portmapper_simulator.upnp_points import (
    ADD,
    CALL,
    LAYOUT,
    RESPONSE,
    SEARCH,
    AddRequest,
    Call,
    Layout,
    Response,
    Search,
)

STALE_HOST = "192.0.2.1"
"""An address that the gateway no longer has; no host has it (RFC 5737)."""

COUNTED_LESS = 400
"""Bytes by which a declared length is too small."""


@SEARCH.quirk("D14", "answers only searches for ssdp:all")
def _only_all(search: Search) -> Search:
    return search if search.target == "ssdp:all" else attrs.evolve(search, answers=())


@RESPONSE.quirk("H12", "declares a length that is too small for its description")
def _miscounted(response: Response) -> Response:
    if b"</root>" not in response.body:
        return response
    return attrs.evolve(response, counted=len(response.body) - COUNTED_LESS, close=True)


@RESPONSE.quirk("H12-gzip", "compresses everything, although it was not requested")
def _compressed(response: Response) -> Response:
    return attrs.evolve(response, body=gzip.compress(response.body))


@RESPONSE.quirk("H12-utf-16", "declares UTF-16, and sends UTF-8")
def _wrong_encoding(response: Response) -> Response:
    return attrs.evolve(response, content_type="text/xml; charset=utf-16")


@LAYOUT.quirk("H13", "has control URLs with an address that it no longer has")
def _stale_address(layout: Layout) -> Layout:
    services = tuple(
        attrs.evolve(s, control_url=f"http://{STALE_HOST}:{layout.ports[0]}{s.control_url}")
        for s in layout.services
    )
    return attrs.evolve(layout, services=services)


@LAYOUT.quirk("H13-slashes", "has control URLs that begin with two slashes")
def _two_slashes(layout: Layout) -> Layout:
    services = tuple(attrs.evolve(s, control_url=f"//{s.control_url[1:]}") for s in layout.services)
    return attrs.evolve(layout, services=services)


@CALL.quirk("M11-from-1", "counts the entries of its table from 1")
def _counts_from_one(call: Call) -> Call:
    if call.action != "GetGenericPortMappingEntry":
        return call
    index = int(call.arguments["NewPortMappingIndex"]) - 1
    if index < 0:
        raise Fault(713)
    return attrs.evolve(call, arguments={**call.arguments, "NewPortMappingIndex": str(index)})


@ADD.quirk("M27", "718 for a finite lifetime, although the port is free")
def _taken_if_finite(request: AddRequest) -> AddRequest:
    if request.lifetime:
        raise Fault(718)
    return request


@ADD.quirk("M27-732", "732 for a finite lifetime")
def _port_if_finite(request: AddRequest) -> AddRequest:
    if request.lifetime:
        raise Fault(732)
    return request


@RESPONSE.quirk("M28", "carries out AddPortMapping and DeletePortMapping, and answers with a bare 500")
def _bare_error(response: Response) -> Response:
    changed = b"<u:AddPortMappingResponse", b"<u:DeletePortMappingResponse"
    if not any(answer in response.body for answer in changed):
        return response
    return attrs.evolve(response, status=500, body=b"<html><body>Internal Error</body></html>")
