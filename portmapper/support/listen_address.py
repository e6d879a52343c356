"""Addresses to listen on, as settings and options name them."""

from __future__ import annotations

import ipaddress

LOCALHOST = "127.0.0.1"


def parse_listen_address(value: object) -> tuple[str, int]:
    """Return the address and port of `ADDRESS:PORT`.

    Raises:
        ValueError: it is something else.
    """
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    host = LOCALHOST if host.lower() == "localhost" else host
    try:
        address = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        address = None
    is_port = port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535
    if address is None or not is_port or (address.version == 6) != host.startswith("["):
        raise ValueError("is not ADDRESS:PORT, such as '127.0.0.1:8080' or '[::1]:8080'")
    return str(address), int(port)
