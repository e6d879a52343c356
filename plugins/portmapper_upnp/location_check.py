"""Checks of URLs that a device sent, before anything connects to them. Pure functions."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit, urlunsplit

from portmapper.api import IPAddress

MAX_URL = 1024


def acceptable_location(
    url: str, sender: IPAddress, zone: str = "", gateway: IPAddress | None = None
) -> str | None:
    """Return the LOCATION to fetch, None if it must not be fetched (D6).

    It must be on the host that sent it, and name that host by its address: resolving a name would mean to
    trust an unknown resolver. This rule excludes loopback, unless the gateway itself answered from there.

    A host has several IPv6 addresses, and most routers answer from the link-local one with a URL that has
    another. Nothing proves that the other address is theirs, so the sender's address replaces it. The same
    applies to `http://[::1]:1900/` in an answer over IPv4, which a TP-Link sends (D12).

    A location on the default gateway is accepted from any sender: the router may answer from a second
    address, such as the shared address of an OPNsense pair (D11). If the default gateway itself names a host
    by its name, its address replaces the name (D6). A user name in the URL is dropped (D16).

    Args:
        url: the URL as the device sent it.
        sender: the address that the packet came from.
        zone: interface of a link-local sender, which devices cannot know (D7).
        gateway: the default gateway, None if unknown.
    """
    parts = _split(_bare_url(url))
    if parts is None or parts.scheme != "http":
        return None
    host = _address(parts.hostname)
    if (
        host is None
        and parts.hostname not in (None, "localhost")
        and sender.version == 4
        and sender == gateway
    ):
        return _at_host(parts, str(sender))
    if host is None or sender.is_unspecified or sender.is_multicast:
        return None
    if sender.version == 6:
        return _at_host(parts, f"{sender}%{zone}" if sender.is_link_local and zone else str(sender))
    if host.version == 6 and host.is_loopback:
        return _at_host(parts, str(sender))
    return _at_host(parts, str(host)) if host in (sender, gateway) else None


def by_address(url: str, address: IPAddress) -> str:
    """Replace the host name with its address in a URL that the user typed.

    Devices describe themselves by address, and some answer to no other name. An https URL keeps its name,
    because the certificate is issued for it.
    """
    parts = _split(url)
    return url if parts is None or parts.scheme != "http" else _at_host(parts, str(address))


def is_at(url: str, address: IPAddress) -> bool:
    """Tell whether the host of a URL is this address."""
    parts = _split(url)
    return parts is not None and _address(parts.hostname) == address


def at_same_host(url: str, location: str) -> str | None:
    """Return `url` if it is on the host of `location`, on any port; else None.

    For an IPv6 location any address is accepted and replaced with the location's: see
    `acceptable_location`.
    """
    parts, base = _split(url), _split(location)
    if parts is None or base is None:
        return None
    host = _address(base.hostname)
    same = _bare(parts.hostname) == _bare(base.hostname)
    if not same and (host is None or host.version == 4 or _address(parts.hostname) is None):
        return None
    return at_host_of(url, location)


def at_host_of(url: str, location: str) -> str | None:
    """Return `url` on the host of `location`, on the port that it names (H6); None if it is no such URL.

    Some routers name themselves by an address that they no longer have, or by a name (H13).
    """
    parts, base = _split(url), _split(location)
    if parts is None or base is None or parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return _at_host(parts, base.hostname or "")


def _bare_url(text: str) -> str:
    """Remove quotes and angle brackets, escape blanks, and add a missing scheme (D16)."""
    url = text.strip().strip("<>\"'").strip().replace("&amp;", "&")
    url = url.replace(" ", "%20").replace("\\", "/")
    return url if "://" in url else f"http://{url}"


def _split(url: str) -> SplitResult | None:
    """Split a URL; return None if it is too long, has blanks, or has an invalid port."""
    url = url.strip()
    if len(url) > MAX_URL or any(character <= " " or character > "~" for character in url):
        return None
    try:
        parts = urlsplit(url)
        return None if parts.port == 0 else parts
    except ValueError:
        return None


def _at_host(parts: SplitResult, host: str) -> str:
    netloc = f"[{host}]" if ":" in host else host
    if parts.port is not None:
        netloc += f":{parts.port}"
    return urlunsplit(parts._replace(netloc=netloc))


def _address(host: str | None) -> IPAddress | None:
    try:
        address = ipaddress.ip_address(_bare(host))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _bare(host: str | None) -> str:
    return (host or "").partition("%")[0]
