"""Quirks of the XML in answers: damaged, wrong or hostile."""

from __future__ import annotations

import itertools
import re

import attrs

from portmapper_simulator.description import PROLOGUE
from portmapper_simulator.upnp_points import RESPONSE, Response

HUGE = 10 * 1024 * 1024
DEEP = 10_000


@RESPONSE.quirk("H2", "omits namespace declarations")
def _no_namespaces(response: Response) -> Response:
    return attrs.evolve(response, body=re.sub(rb' xmlns(:[ups])?="[^"]*"', b"", response.body))


@RESPONSE.quirk("H2-wrong", "uses wrong namespaces")
def _wrong_namespaces(response: Response) -> Response:
    return attrs.evolve(response, body=re.sub(rb'xmlns="[^"]*"', b'xmlns="urn:example:wrong"', response.body))


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


RESPONSE.bundle("H4", "sends 10 MiB of description, as H4-huge", "H4-huge")


@RESPONSE.quirk("H8", "overwrites bytes after the essential part of answers, as TP-Link Archer C8")
def _damaged(response: Response) -> Response:
    body = response.body.replace(b"</errorDescription>", b"\xf9\xc9</errorDescr\xbdption>")
    return attrs.evolve(response, body=body.replace(b"</s:Body>", b"</s:B\xc9dy>"))


@RESPONSE.quirk("H14", "leaves elements of its description open, and attributes unquoted")
def _open_elements(response: Response) -> Response:
    body = response.body.replace(b"<friendlyName>", b"<friendlyName><b>Home & more ")
    return attrs.evolve(response, body=re.sub(rb'<root xmlns="([^"]*)"', rb"<root xmlns=\1", body))


@RESPONSE.quirk("H14-twice", "sends two XML declarations, and a web page before its description")
def _two_declarations(response: Response) -> Response:
    if b"</root>" not in response.body:
        return response
    return attrs.evolve(response, body=PROLOGUE.encode() + b"<html><body></html>" + response.body)
