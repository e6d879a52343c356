"""Fuzz the parser for SSDP answers and announcements."""

from __future__ import annotations

from harness import fuzz, instrumented

with instrumented():
    from portmapper_upnp.ssdp_packet import read_packet


SEEDS = [
    b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nUSN: uuid:1::upnp:rootdevice\r\n"
    b"LOCATION: http://192.168.1.1:5000/desc.xml\r\nBOOTID.UPNP.ORG: 1\r\n\r\n",
    b"NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive\r\nNT: upnp:rootdevice\r\nLOCATION: http://[fe80::1]:1/\r\n\r\n",
]
SENDERS = (("192.168.1.1", 1900), ("fe80::1", 1900, 0, 7))


def parse(data: bytes) -> None:
    """Parse a datagram as received over IPv4 and over IPv6."""
    for sender in SENDERS:
        packet = read_packet(data, sender)
        if packet is not None and packet.location is not None:
            assert str(packet.sender) in packet.location


if __name__ == "__main__":
    fuzz(parse, SEEDS)
