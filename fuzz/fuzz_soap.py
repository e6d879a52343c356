"""Fuzz the parser for answers to SOAP calls."""

from __future__ import annotations

from async_upnp_client.const import HttpResponse
from harness import fuzz, instrumented

with instrumented():
    from portmapper_upnp.requester import MAX_BODY, decode
    from portmapper_upnp.soap_reply import read_reply
    from portmapper_upnp.table_entry import read_entries


SEEDS = [
    b'<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>'
    b"<faultcode>s:Client</faultcode><detail><UPnPError><errorCode>718</errorCode></UPnPError></detail>"
    b"</s:Fault></s:Body></s:Envelope>",
    b"<Envelope><Body><u:DoResponse><NewExternalPort>80</NewExternalPort><NewProtocol>TCP</NewProtocol>"
    b"<NewInternalClient>192.168.1.2</NewInternalClient></u:DoResponse></Body></Envelope>",
]
RESULTS = ("NewExternalPort", "NewProtocol", "NewInternalClient")


def parse(data: bytes) -> None:
    """Parse an answer, and its arguments as a table entry."""
    for status in (200, 500):
        read_entries(read_reply("Do", RESULTS, HttpResponse(status, {}, decode(data, None, MAX_BODY))))


if __name__ == "__main__":
    fuzz(parse, SEEDS)
