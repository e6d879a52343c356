"""Reads SSDP packets, answers to M-SEARCH and NOTIFY alike."""

from __future__ import annotations

import ipaddress
from typing import Any

import attrs
from aiohttp.http_exceptions import BadHttpMessage
from async_upnp_client.ssdp import decode_ssdp_packet

from portmapper.api import IPAddress
from portmapper_upnp.location import acceptable_location

MAX_HEADERS = 32
_TOKEN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")


@attrs.frozen
class SsdpPacket:
    """What one packet says.

    Attributes:
        kind: `alive`, `byebye`, or `answer` to a search.
        sender: who sent it.
        location: where its description lies, None when absent or not to be trusted.
        target: ST or NT: the device or service that it is about.
        device: the device's unique name (`uuid:...`), lower case, empty when it has none.
        boot_id: BOOTID.UPNP.ORG, which grows with each restart; empty before UDA 1.1.
    """

    kind: str
    sender: IPAddress
    location: str | None
    target: str
    device: str
    boot_id: str


def read_packet(data: bytes, sender: tuple[Any, ...]) -> SsdpPacket | None:
    """Return what a datagram says, None when it is no SSDP answer or announcement.

    Args:
        data: the datagram.
        sender: address tuple as the socket gives it, from any port (D3).
    """
    try:
        source = ipaddress.ip_address(str(sender[0]).partition("%")[0])
        # Without the sender's zone: the library would put it into a location and fail where it has no host.
        start, headers = decode_ssdp_packet(_tidy(data), None, (str(source), 0))
    except (ValueError, BadHttpMessage):
        return None
    kind = _kind(start.upper(), headers.get("nts", ""))
    if kind is None:
        return None
    zone = str(sender[3]) if len(sender) == 4 and sender[3] else ""
    return SsdpPacket(
        kind=kind,
        sender=source,
        location=acceptable_location(headers.get("location", ""), source, zone),
        target=headers.get("st", "") or headers.get("nt", ""),
        device=read_device_name(headers.get("usn", "")),
        boot_id=headers.get("bootid.upnp.org", ""),
    )


def read_device_name(text: str) -> str:
    """Return the `uuid:...` of a USN or UDN, as it can be compared."""
    return text.partition("::")[0].strip().lower()


def _kind(start: str, announcement: str) -> str | None:
    if start.startswith("HTTP/") and " 200" in start:
        return "answer"
    if start.startswith("NOTIFY "):
        return {"ssdp:alive": "alive", "ssdp:byebye": "byebye"}.get(announcement.strip().lower())
    return None


def _tidy(data: bytes) -> bytes:
    """Keep the start line and every header that can be one.

    The library's header parser refuses a whole packet for one bad header, and routers send such: a
    blank before the colon, a repeated line without any, bytes of Latin-1.
    """
    start, *lines = data.decode("latin-1").replace("\r", "\n").split("\n")
    tidy = [_printable(start)]
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.strip()
        if colon and name and _TOKEN.issuperset(name):
            tidy.append(f"{name}: {_printable(value)}")
    return "\r\n".join([*tidy[:MAX_HEADERS], "", ""]).encode("ascii")


def _printable(text: str) -> str:
    return "".join(character for character in text.strip() if " " <= character <= "~")
