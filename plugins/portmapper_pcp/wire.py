"""Constants and types that the PCP and NAT-PMP protocols share."""

from __future__ import annotations

from typing import Protocol

from portmapper.api import PortmapperError

SERVER_PORT = 5351
"""UDP port of the gateway for requests (RFC 6886 section 3.1, RFC 6887 section 19.1)."""

ANNOUNCEMENT_PORT = 5350
"""UDP port of hosts for the gateway's announcements (the same sections)."""

PCP_VERSION = 2
NATPMP_VERSION = 0
"""The first byte of each packet."""

MAX_PACKET = 2048
"""Bytes of the longest message that is read. RFC 6887 section 7 allows 1,100; some servers pad more (P20)."""

RESPONSE_BIT = 0x80
"""The bit that is set in the opcode byte of every response."""

Key = tuple[object, ...]
"""The fields that identify the request that a reply answers."""


class MalformedPacket(PortmapperError):
    """A datagram that is no reply of the protocol; it is ignored as if it had been lost."""


class Reply(Protocol):
    """The part of a reply that the exchange uses."""

    @property
    def key(self) -> Key:
        """The key of the matching request, or the start of it if the reply has no more."""
