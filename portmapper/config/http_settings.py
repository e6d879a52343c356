"""The table `[http]` of the settings file."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import attrs

from portmapper.api.config import READ
from portmapper.api.errors import quoted
from portmapper.api.model import IPNetwork
from portmapper.sources.address_syntax import canonical
from portmapper.sources.trust import Trust, read_trust
from portmapper.support.values import frozen


def _listen_address(value: object) -> tuple[str, int]:
    from portmapper.support.listen_address import parse_listen_address  # few settings files name one

    try:
        return parse_listen_address(value)
    except ValueError as error:
        raise ValueError(f"{quoted(value)} {error}") from None


def _networks(value: object) -> tuple[IPNetwork, ...]:
    return tuple(map(_network, value if isinstance(value, list) else [value]))


def _network(value: object) -> IPNetwork:
    try:
        network = ipaddress.ip_network(value if isinstance(value, str) else "", strict=False)
    except ValueError:
        raise ValueError(f"{quoted(value)} is neither an address nor a network") from None
    # The address of a client is compared as IPv4 if it is IPv4-mapped.
    mapped = canonical(network.network_address)
    if mapped.version != network.version and network.prefixlen >= 96:
        return ipaddress.ip_network((mapped, network.prefixlen - 96))
    return network


@frozen
class HttpSettings:
    """The table `[http]`: the listener of the HTTP API and the web interface.

    Attributes:
        listen: address and TCP port to listen on; None for no listener.
        hosts: further names under which browsers reach it, such as that of a reverse proxy.
        certificate: absolute path of the certificate with its chain, in PEM; then it serves HTTPS.
        key: absolute path of the certificate's key; default in the certificate's file.
        trusted_proxies: addresses and networks of reverse proxies whose `X-Forwarded-*` headers count.
        trust: what requests with a token may choose: `take` (to overwrite mappings of other hosts) and
            `addresses` (of other hosts).
    """

    listen: tuple[str, int] | None = attrs.field(default=None, metadata={READ: _listen_address})
    hosts: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    trusted_proxies: tuple[IPNetwork, ...] = attrs.field(default=(), metadata={READ: _networks})
    trust: frozenset[Trust] = attrs.field(default=frozenset(), metadata={READ: read_trust})
