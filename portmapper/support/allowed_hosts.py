"""The names under which the listener answers. A page of the internet cannot choose one of them.

Without this check, a page could resolve its own name to 127.0.0.1 and read the answers (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Any

_HOST = re.compile(r"(\[[0-9a-f:.%]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?", re.IGNORECASE)

MAX_LENGTH = 300

_NOT_PUBLIC = (".localhost", ".local", ".internal", ".home.arpa", ".lan", ".home", ".svc")
"""Domains of networks and clusters, in which no host on the Internet has a name (RFC 6761, 6762, 8375)."""


def split_host(header: str) -> tuple[str, str]:
    """Return name and port of a Host header, or of the host of an origin; empty if it is invalid."""
    match = _HOST.fullmatch(header) if len(header) <= MAX_LENGTH else None
    if match is None:
        return "", ""
    return match[1].lower().strip("[]").rstrip("."), match[2] or ""


def name_of(header: str) -> str:
    """Return the name or address in a Host header; empty if it is invalid."""
    return split_host(header)[0]


def is_loopback_name(name: str) -> bool:
    """Return whether a name always means this host (RFC 6761, section 6.3)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class AllowedHosts:
    """The names and addresses under which the listener answers."""

    def __init__(self, listen: str, more: Iterable[str] = ()) -> None:
        """Allow loopback, the address to listen on, and `more`."""
        self._names = {listen.lower(), *(name_of(name) or name.lower() for name in more)}

    def allows(self, header: str, local_address: str) -> bool:
        """Return whether a Host header is valid for a connection to one of this host's addresses."""
        name = name_of(header)
        if not name:
            return False
        return name in self._names or is_loopback_name(name) or _same_address(name, local_address)


def host_check(web: Any, more: Iterable[str] = ()) -> Any:
    """Return a middleware for pages that need no login: it refuses names that a foreign page may have.

    Allowed are addresses, names of networks at home, this host's name, and `more`. Clients that send no
    `Host`, as HTTP/1.0 allows, are no browsers.
    """
    names = {socket.gethostname().lower(), *(name_of(name) or name.lower() for name in more)}

    @web.middleware  # type: ignore[untyped-decorator]
    async def check(request: Any, handler: Any) -> Any:
        headers = request.headers.getall("Host", [""])
        name = name_of(headers[0])
        if headers != [""] and (len(headers) > 1 or not (name in names or _is_private_name(name))):
            return web.Response(status=421, text="this host name is not allowed; add it to `hosts`")
        return await handler(request)

    return check


def _is_private_name(name: str) -> bool:
    """Return whether no page of the Internet can be under a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(_NOT_PUBLIC))
    return True


def _same_address(name: str, local_address: str) -> bool:
    """Return whether a name is the address that the connection uses; a name of a foreign DNS never is."""
    try:
        return _plain(name) == _plain(local_address)
    except ValueError:
        return False


def _plain(text: str) -> object:
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address
