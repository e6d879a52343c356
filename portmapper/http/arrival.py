"""Where a request comes from, also through a reverse proxy."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import attrs

from portmapper.api.model import IPAddress, IPNetwork
from portmapper.support.allowed_hosts import is_loopback_name, name_of

FORWARDING = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")
"""Headers that only a proxy sends."""

MAX_HOPS = 20


@attrs.frozen
class Arrival:
    """How a request reached the listener.

    Attributes:
        client: the visitor's address; None if it is not known.
        host: the Host header that the visitor sent; empty if there is none.
        is_encrypted: the visitor uses HTTPS.
        is_local: it comes from this host, to a name of this host, and through no proxy.
        local_address: the address of this host that the connection uses.
        by_proxy: a trusted proxy forwarded it.
    """

    client: IPAddress | None
    host: str
    is_encrypted: bool
    is_local: bool
    local_address: str
    by_proxy: bool = False


def arrival_of(request: Any, trusted: Sequence[IPNetwork]) -> Arrival:
    """Return how a request arrived; only headers of the networks in `trusted` count."""
    peer = _address(_first(request.transport, "peername"))
    local = _first(request.transport, "sockname").partition("%")[0]
    hosts = request.headers.getall("Host", [])
    host = hosts[0] if len(hosts) == 1 else ""
    forwarded = any(name in request.headers for name in FORWARDING)
    if not (forwarded and peer is not None and _is_in(peer, trusted)):
        is_here = peer is not None and peer.is_loopback and is_loopback_name(name_of(host))
        return Arrival(peer, host, request.secure, is_here and not forwarded, local)
    headers = request.headers
    return Arrival(
        _client(headers.getall("X-Forwarded-For", []), peer, trusted),
        _last(headers, "X-Forwarded-Host") or host,
        (_last(headers, "X-Forwarded-Proto") or "http").lower() == "https",
        False,
        local,
        True,
    )


def _first(transport: Any, name: str) -> str:
    found = transport.get_extra_info(name) if transport is not None else None
    return str(found[0]) if isinstance(found, tuple) and found else ""


def _client(chain: Sequence[str], peer: IPAddress, trusted: Sequence[IPNetwork]) -> IPAddress | None:
    """Return the address nearest to us that no proxy of ours has: a client can invent all before it."""
    hops = [hop.strip() for header in chain for hop in header.split(",")][-MAX_HOPS:]
    nearest: IPAddress | None = peer
    for hop in reversed(hops):
        nearest = _address(hop)
        if nearest is None or not _is_in(nearest, trusted):
            break
    return nearest


def _last(headers: Any, name: str) -> str:
    """Return the value that the nearest proxy added."""
    values = headers.getall(name, [])
    return values[-1].rpartition(",")[2].strip() if values else ""


def _address(text: str) -> IPAddress | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0].strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_in(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    return any(address in network for network in networks)
