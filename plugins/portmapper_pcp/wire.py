"""What PCP and NAT-PMP have in common on the wire."""

from __future__ import annotations

from typing import Protocol

from portmapper.api import PortmapperError

SERVER_PORT = 5351
"""UDP port of the gateway that takes requests (RFC 6886 section 3.1, RFC 6887 section 19.1)."""

ANNOUNCEMENT_PORT = 5350
"""UDP port on which hosts hear the gateway's announcements (the same sections)."""

MAX_PACKET = 1100
"""Bytes of the longest message (RFC 6887 section 7); NAT-PMP's are all shorter."""

RESPONSE_BIT = 0x80
"""Set in the opcode byte of every response."""

Key = tuple[object, ...]
"""What a reply shares with the one request that it answers."""


class MalformedPacket(PortmapperError):
    """A datagram that is no reply of the protocol: it is ignored, as if it had been lost."""


class Reply(Protocol):
    """What the exchange must know of a reply."""

    @property
    def key(self) -> Key:
        """The key of the request it answers, or the start of one when that is all it tells."""
