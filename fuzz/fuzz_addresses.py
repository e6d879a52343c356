"""Feeds bytes to the parser of address notations and port arguments."""

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
    """Read a text as each of them."""
    text = data.decode("utf-8", "replace")
    for read in (parse_address, parse_ports, parse_port_argument):
        try:
            read(text)
        except (PortmapperError, ValueError):  # what these say of a bad text
            continue


if __name__ == "__main__":
    fuzz(parse, SEEDS)
