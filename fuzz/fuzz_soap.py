"""Fuzz the parser for answers to SOAP calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from async_upnp_client.const import HttpResponse
from harness import fuzz, instrumented

with instrumented():
    from portmapper_upnp.lenient_xml import parse as parse_xml
    from portmapper_upnp.requester import MAX_BODY, decode
    from portmapper_upnp.soap_reply import canonical_reply
    from portmapper_upnp.table_entry import read_entries


SEEDS = [
    b'<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>'
    b"<faultcode>s:Client</faultcode><detail><UPnPError><errorCode>718</errorCode></UPnPError></detail>"
    b"</s:Fault></s:Body></s:Envelope>",
    b"<Envelope><Body><u:DoResponse><NewExternalPort>80</NewExternalPort><NewProtocol>TCP</NewProtocol>"
    b"<NewInternalClient>192.168.1.2</NewInternalClient></u:DoResponse></Body></Envelope>",
]
ACTION: Any = SimpleNamespace(
    name="Do", service=SimpleNamespace(service_type="urn:x"), out_arguments=lambda: ("NewValue",)
)


def parse(data: bytes) -> None:
    """Parse an answer, and its arguments as a table entry."""
    for status in (200, 500):
        root = parse_xml(
            canonical_reply(ACTION, HttpResponse(status, {}, decode(data, None, MAX_BODY))).body or ""
        )
        read_entries({element.tag: element.text or "" for element in root.iter()})


if __name__ == "__main__":
    fuzz(parse, SEEDS)
