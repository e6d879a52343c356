"""Quirks H: HTTP answers and their XML."""

from __future__ import annotations

import itertools
import re

import attrs

from portmapper_simulator.actions import WAN_COMMON, actions_of
from portmapper_simulator.errors import Fault
from portmapper_simulator.upnp_points import (
    CALL,
    LAYOUT,
    LISTEN,
    RESPONSE,
    Call,
    Layout,
    Listening,
    Response,
)

HUGE = 10 * 1024 * 1024
DEEP = 10_000
BACKLOG = 5


@RESPONSE.quirk("H1", "writes chunked bodies, bare line feeds and application/octet-stream")
def _sloppy(response: Response) -> Response:
    octets = "application/octet-stream"
    return attrs.evolve(response, framing="chunked", newline=b"\n", content_type=octets)


@RESPONSE.quirk("H1-chunked", "writes chunked bodies")
def _chunked(response: Response) -> Response:
    return attrs.evolve(response, framing="chunked")


@RESPONSE.quirk("H1-bare-lf", "ends header lines with a bare line feed")
def _bare_lf(response: Response) -> Response:
    return attrs.evolve(response, newline=b"\n")


@RESPONSE.quirk("H1-http10", "speaks HTTP/1.0 without Content-Length")
def _http_1_0(response: Response) -> Response:
    return attrs.evolve(response, version="HTTP/1.0", framing="close")


@RESPONSE.quirk("H1-octet-stream", "calls its XML application/octet-stream")
def _octet_stream(response: Response) -> Response:
    return attrs.evolve(response, content_type="application/octet-stream")


@RESPONSE.quirk("H2", "omits namespace declarations")
def _no_namespaces(response: Response) -> Response:
    return attrs.evolve(response, body=re.sub(rb' xmlns(:[ups])?="[^"]*"', b"", response.body))


@RESPONSE.quirk("H2-wrong", "uses wrong namespaces")
def _wrong_namespaces(response: Response) -> Response:
    return attrs.evolve(response, body=re.sub(rb'xmlns="[^"]*"', b'xmlns="urn:example:wrong"', response.body))


@RESPONSE.quirk("H3", "sends faults with HTTP status 200")
def _fault_in_200(response: Response) -> Response:
    return attrs.evolve(response, status=200 if response.status == 500 else response.status)


@RESPONSE.quirk("H3-no-description", "sends faults without errorDescription")
def _terse_fault(response: Response) -> Response:
    return attrs.evolve(
        response, body=re.sub(rb"<errorDescription>.*?</errorDescription>", b"", response.body)
    )


@RESPONSE.quirk("H4-huge", "sends 10 MiB of description")
def _huge(response: Response) -> Response:
    filler = b"<!--" + b"x" * HUGE + b"-->"
    return attrs.evolve(response, body=response.body.replace(b"<root", filler + b"<root", 1))


@RESPONSE.quirk("H4-deep", "nests 10,000 elements")
def _deep(response: Response) -> Response:
    nest = b"<a>" * DEEP + b"</a>" * DEEP
    return attrs.evolve(response, body=response.body.replace(b"</root>", nest + b"</root>"))


@RESPONSE.quirk("H4-entities", "declares nested entities that expand exponentially")
def _entities(response: Response) -> Response:
    names = "abcdefghij"
    declared = "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in itertools.pairwise(names)
    )
    bomb = f'<!DOCTYPE root [<!ENTITY a "boom">{declared}]>'.encode()
    body = response.body.replace(b"<root", bomb + b"<root", 1)
    return attrs.evolve(response, body=body.replace(b"<friendlyName>", b"<friendlyName>&j;"))


@RESPONSE.quirk("H4-dtd", "declares a harmless document type")
def _document_type(response: Response) -> Response:
    return attrs.evolve(response, body=response.body.replace(b"<root", b"<!DOCTYPE root><root", 1))


@RESPONSE.quirk("H4-drip", "sends one byte a second")
def _drip(response: Response) -> Response:
    return attrs.evolve(response, pause=1.0)


@RESPONSE.quirk("H5", "closes the connection after every answer, and has a backlog of 5")
def _closing(response: Response) -> Response:
    return attrs.evolve(response, close=True)


@LISTEN.quirk("H5")
def _short_backlog(listening: Listening) -> Listening:
    return attrs.evolve(listening, backlog=BACKLOG)


@LISTEN.quirk("H6-port")
def _second_port(listening: Listening) -> Listening:
    return attrs.evolve(listening, ports=(*listening.ports, 0))


@LAYOUT.quirk("H6-port", "describes an absolute controlURL on another port")
def _control_elsewhere(layout: Layout) -> Layout:
    return _with_control_urls(layout, f"http://{layout.host}:{layout.ports[-1]}/ctl/{{}}")


@LAYOUT.quirk("H6-urlbase", "has a URLBase, and control URLs relative to it")
def _url_base(layout: Layout) -> Layout:
    base = f"http://{layout.host}:{layout.ports[0]}/"
    return attrs.evolve(_with_control_urls(layout, "ctl/{}"), url_base=base)


@LAYOUT.quirk("H6-urlbase-no-slash", "has a URLBase without a trailing slash, and relative control URLs")
def _url_base_no_slash(layout: Layout) -> Layout:
    base = f"http://{layout.host}:{layout.ports[0]}"
    return attrs.evolve(_with_control_urls(layout, "ctl/{}"), url_base=base)


@LAYOUT.quirk("H6-query", "has control URLs that consist of a query only")
def _query_only(layout: Layout) -> Layout:
    return _with_control_urls(layout, "?control={}")


def _with_control_urls(layout: Layout, pattern: str) -> Layout:
    services = tuple(attrs.evolve(s, control_url=pattern.format(s.name)) for s in layout.services)
    return attrs.evolve(layout, services=services)


@CALL.quirk("H7", "requires SOAPAction in this case and quoted, ordered arguments, and no blank before <?xml")
def _picky(call: Call) -> Call:
    kind = WAN_COMMON if call.service is None else call.service.kind
    action = actions_of(kind).get(call.action)
    in_order = action is None or list(call.arguments) == list(action.inputs)
    named = ("SOAPAction", f'"{kind}#{call.action}"') in call.headers
    if not (in_order and named and call.body.startswith(b"<?xml")):
        raise Fault(402)
    return call


RESPONSE.bundle("H4", "sends 10 MiB of description, as H4-huge", "H4-huge")
LISTEN.bundle("H6", "describes an absolute controlURL on another port, as H6-port", "H6-port")
LAYOUT.bundle("H6", "describes an absolute controlURL on another port, as H6-port", "H6-port")
