"""A parser for SSDP packets: answers to M-SEARCH, and NOTIFY announcements. Standard library only.

A daemon reads announcements all day, even if PCP or NAT-PMP opens its ports and nothing needs UPnP.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Any

from portmapper.api import IPAddress
from portmapper.support.values import frozen
from portmapper_upnp.location_check import acceptable_location

MAX_HEADERS = 128
_FOUND = re.compile(r"HTTP[/0-9.]* 200\b")  # not every device writes the version or the reason (D18)
_TOKEN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")


@frozen
class SsdpPacket:
    """The content of one packet.

    Attributes:
        kind: `alive`, `byebye`, or `answer` to a search.
        sender: the address that sent it.
        location: URL of the description, None if absent or not acceptable.
        target: ST or NT: the device or service that it is about.
        device: the device's unique name (`uuid:...`) in lower case, empty if there is none.
        boot_id: BOOTID.UPNP.ORG, which increases with each restart; empty before UDA 1.1.
        server: SERVER: the software that the device says it runs, empty if it does not; untrusted.
    """

    kind: str
    sender: IPAddress
    location: str | None
    target: str
    device: str
    boot_id: str
    server: str = ""


def read_packet(data: bytes, sender: tuple[Any, ...], gateway: IPAddress | None = None) -> SsdpPacket | None:
    """Parse a datagram; return None if it is no SSDP answer or announcement.

    Args:
        data: the datagram.
        sender: address tuple from the socket; any source port is accepted (D3).
        gateway: the default gateway: a location there is accepted from any sender.
    """
    try:
        source = ipaddress.ip_address(str(sender[0]).partition("%")[0])
    except ValueError:
        return None
    start, received = _headers(data)
    headers = dict(reversed(received))  # of several, the first counts
    kind = _kind(start.upper(), headers.get("nts", ""))
    if kind is None:
        return None
    zone = str(sender[3]) if len(sender) == 4 and sender[3] else ""
    urls = (acceptable_location(url, source, zone, gateway) for url in _locations(received))
    return SsdpPacket(
        kind=kind,
        sender=source,
        location=next(filter(None, urls), None),
        target=headers.get("st", "") or headers.get("nt", ""),
        device=read_device_name(headers.get("usn", "")),
        boot_id=headers.get("bootid.upnp.org", ""),
        server=headers.get("server", ""),
    )


def read_device_name(text: str) -> str:
    """Return the `uuid:...` part of a USN or UDN in lower case."""
    return text.partition("::")[0].strip().lower()


def _kind(start: str, announcement: str) -> str | None:
    if _FOUND.match(start):
        return "answer"
    if start.startswith("NOTIFY "):
        return {"ssdp:alive": "alive", "ssdp:byebye": "byebye"}.get(announcement.strip().lower())
    return None


def _headers(data: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Return the start line and every valid header.

    Routers send headers with a blank before the colon, lines without a colon, Latin-1 bytes, and some headers
    twice. None of that costs the packet.
    """
    start, *lines = data.decode("latin-1").lstrip("\r\n").replace("\r", "\n").split("\n")
    headers: list[tuple[str, str]] = []
    for line in lines:
        if headers and not headers[-1][1] and line[:1] in (" ", "\t"):
            # RFC 2616 section 2.2: a value may begin on the next line, after a blank.
            headers[-1] = (headers[-1][0], _printable(line))
            continue
        name, colon, value = line.partition(":")
        name = name.strip()
        if colon and name and _TOKEN.issuperset(name):
            headers.append((name.lower(), _printable(value)))
    return _printable(start), headers[:MAX_HEADERS]


def _locations(headers: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield what may be the location: some devices send several, and very old ones name it AL."""
    for wanted in ("location", "al"):
        yield from (value for name, value in headers if name == wanted)


def _printable(text: str) -> str:
    return "".join(character for character in text if " " <= character <= "~").strip()
