"""Fuzz the parser for device descriptions."""

from __future__ import annotations

from harness import fuzz, instrumented

with instrumented():
    from portmapper_upnp.description import canonical_description
    from portmapper_upnp.lenient_xml import parse as parse_xml
    from portmapper_upnp.requester import MAX_BODY, decode
    from portmapper_upnp.scpd import WAN_CONNECTION


LOCATION = "http://192.168.1.1:5000/desc.xml"
SEEDS = [
    b'<?xml version="1.0" encoding="ISO-8859-1"?><root xmlns="urn:schemas-upnp-org:device-1-0"><URLBase>'
    b"http://192.168.1.1:80</URLBase><device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1"
    b"</deviceType><serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1"
    b"</serviceType><controlURL>/ctl</controlURL></service></serviceList></device></root>\0"
]


def parse(data: bytes) -> None:
    """Parse a description as received over HTTP; the normalized document must parse again."""
    parse_xml(canonical_description(decode(data, None, MAX_BODY), LOCATION, WAN_CONNECTION))


if __name__ == "__main__":
    fuzz(parse, SEEDS)
