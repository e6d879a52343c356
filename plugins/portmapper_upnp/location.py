"""Decides whether a URL that a device sent may be connected to. Pure; nothing is resolved or opened."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit, urlunsplit

from portmapper.api import IPAddress

MAX_URL = 1024


def acceptable_location(url: str, sender: IPAddress, zone: str = "") -> str | None:
    """Return the LOCATION to fetch, None when it must not be (D6).

    It must lie on the host that sent it, given by its address: a name would have to be resolved by
    somebody whom we have no reason to trust. With that rule loopback is out of the question, except
    when the gateway itself answered from there.

    A host has several IPv6 addresses, and routers mostly answer from the link-local one with the URL of
    another. Whether that is theirs nobody can tell, so the sender's takes its place.

    Args:
        url: as the device wrote it.
        sender: where the packet came from.
        zone: interface of a link-local sender; devices cannot know it (D7).
    """
    parts = _split(url)
    if parts is None or parts.scheme != "http" or parts.username is not None:
        return None
    host = _address(parts.hostname)
    if host is None or sender.is_unspecified or sender.is_multicast:
        return None
    if sender.version == 6:
        return _at_host(parts, f"{sender}%{zone}" if sender.is_link_local and zone else str(sender))
    return urlunsplit(parts) if host == sender else None


def by_address(url: str, address: IPAddress) -> str:
    """Return a URL that the user typed with the address for the host's name.

    Devices describe themselves by their address, and some answer to no other name. A name in an https
    URL stays: the certificate is for it.
    """
    parts = _split(url)
    return url if parts is None or parts.scheme != "http" else _at_host(parts, str(address))


def at_same_host(url: str, location: str) -> str | None:
    """Return `url` if it lies on the host of `location`, on whatever port (H6); None if not.

    Any address counts as that of an IPv6 location, which takes its place: see `acceptable_location`.
    """
    parts, base = _split(url), _split(location)
    if parts is None or base is None or parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    there = _address(base.hostname)
    same = _bare(parts.hostname) == _bare(base.hostname)
    if not same and (there is None or there.version == 4 or _address(parts.hostname) is None):
        return None
    return _at_host(parts, base.hostname or "")


def _split(url: str) -> SplitResult | None:
    """Split a URL of sane length without blanks, with a real port; None for any other."""
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
        return ipaddress.ip_address(_bare(host))
    except ValueError:
        return None


def _bare(host: str | None) -> str:
    return (host or "").partition("%")[0]
