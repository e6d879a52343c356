"""Parses `--gateway`: an address, an address and port, or a description URL."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from portmapper.api.backend import Target
from portmapper.api.errors import NoGateway, UsageError
from portmapper.api.model import IPAddress
from portmapper.network.host import Network

_log = logging.getLogger(__name__)


def reachable_targets(texts: Sequence[str], network: Network) -> Sequence[Target] | None:
    """Return the targets of the named gateways, without those that have no route; None if none is named.

    Raises:
        UsageError: a value is not a valid gateway.
    """
    if not texts:
        return None
    targets = []
    for text in texts:
        try:
            targets.append(chosen_target(text, network))
        except NoGateway as error:
            _log.warning("%s", error)
    return targets


def chosen_target(text: str, network: Network) -> Target:
    """Return the target of one named gateway.

    Raises:
        UsageError: `text` is not an address, an address with a port, or an http(s) URL.
        NoGateway: this host has no route to the gateway.
    """
    url = text if "://" in text else None
    address, port = _url_host(text) if url else _address_and_port(text)
    local = network.local_address_towards(address)
    if local is None and address.is_link_local and address.version == 6 and "%" not in str(address):
        raise NoGateway(f"{address} is link-local: add its interface, as in {address}%eth0")
    if local is None:
        raise NoGateway(f"no route to the gateway {address}")
    if local.version == 6 and not local.is_loopback:
        # To a link-local gateway, the system would send from a link-local or temporary address.
        local = _stable_address(local, address, network)
    return Target(local, gateway=address, port=port, url=url, chosen=True)


def _stable_address(local: IPAddress, gateway: IPAddress, network: Network) -> IPAddress:
    """Return a stable address of the interface on the route to the gateway, else `local`."""
    zone = getattr(gateway, "scope_id", None)
    sides = (i for i in network.interfaces if i.name == zone or (not zone and i.has(local)))
    return next((i.first_address(6) for i in sides), None) or local


def _url_host(text: str) -> tuple[IPAddress, None]:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"--gateway {text}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--gateway {text}: not an http or https URL")
    try:
        found = socket.getaddrinfo(parts.hostname, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UsageError(f"--gateway {text}: cannot resolve {parts.hostname}") from error
    return ipaddress.ip_address(found[0][4][0]), None


def _address_and_port(text: str) -> tuple[IPAddress, int | None]:
    # Python accepts any text as a zone, including "eth0]:5351".
    if "]:" not in text:
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(text.strip("[]")), None
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError as error:
        raise UsageError(f"--gateway {text}: neither ADDRESS, ADDRESS:PORT nor a URL") from error
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise UsageError(f"--gateway {text}: the port must be a number from 1 to 65535")
    return address, int(port)
