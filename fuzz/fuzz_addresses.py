"""Fuzz the parsers for addresses, ports and port arguments."""

from __future__ import annotations

from harness import fuzz, instrumented

with instrumented():
    from portmapper.api.errors import PortmapperError
    from portmapper.sources.address_syntax import parse_address
    from portmapper.sources.port_syntax import parse_port_argument, parse_ports


SEEDS = [
    b"192.168.0.10/24",
    b"192.168",
    b"10.0.0.1/255.255.255.0",
    b"fe80::1/64",
    b"8080/tcp",
    b"2722-2723/udp",
]


def parse(data: bytes) -> None:
    """Parse a text with each parser."""
    text = data.decode("utf-8", "replace")
    for read in (parse_address, parse_ports, parse_port_argument):
        try:
            read(text)
        except (PortmapperError, ValueError):  # the documented errors for an invalid text
            continue


if __name__ == "__main__":
    fuzz(parse, SEEDS)
