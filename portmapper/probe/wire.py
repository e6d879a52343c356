"""What a probe client and a probe server send each other, and the limits of it.

The client sends `POST /v1/probe` with a JSON document: `{"ports": [{"port", "protocol", "nonce"}]}`. There is
no address in it: the server probes only the address that the request comes from. The answer is one JSON
document on each line: a greeting, then the results.

UDP needs a second step. The greeting has a cookie, and the client sends it back in a datagram. For each such
datagram, the server sends one smaller datagram with the nonce to the port, from a new socket.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

from portmapper.api.errors import UsageError
from portmapper.api.model import Protocol
from portmapper.support.values import frozen

PATH = "/v1/probe"

MAX_PORTS = 16
"""Ports in one request."""

MAX_BODY = 4096
"""Bytes of a request's body."""

NONCE_SIZE = 16
SESSION_SIZE = 8
COOKIE_SIZE = 16

ORDER_SIZE = 64
"""Bytes of a client's datagram; a server sends less for it."""

ORDER = b"PMPO"
PROBE = b"PMPP"
ANSWER = b"PMPA"

_NONCE = re.compile(rf"[0-9a-f]{{{2 * NONCE_SIZE}}}\Z")


class Result(enum.StrEnum):
    """What a server saw at one port.

    Attributes:
        ANSWERED: the nonce came back.
        CONNECTED: the connection was accepted, but the nonce did not come (TCP).
        OTHER_ANSWER: something else came back (UDP).
        REFUSED: the connection or the datagram was refused.
        UNREACHABLE: a router reported that the address or port is unreachable.
        TIMEOUT: nothing came back.
        NOT_ORDERED: the client's datagram with the cookie did not arrive (UDP).
    """

    ANSWERED = "answered"
    CONNECTED = "connected"
    OTHER_ANSWER = "other-answer"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    NOT_ORDERED = "not-ordered"


@frozen
class PortRequest:
    """One port to probe.

    Attributes:
        protocol: TCP or UDP.
        port: the external port.
        nonce: what a temporary listener answers.
    """

    protocol: Protocol
    port: int
    nonce: bytes

    @property
    def key(self) -> tuple[Protocol, int]:
        """What identifies the port in a request."""
        return self.protocol, self.port

    def document(self) -> dict[str, Any]:
        """Return the port as JSON."""
        return {"port": self.port, "protocol": self.protocol.value, "nonce": self.nonce.hex()}


def parse_request(document: object) -> list[PortRequest]:
    """Parse the body of a request.

    Raises:
        UsageError: it is invalid; the message contains nothing of it.
    """
    rows = document.get("ports") if isinstance(document, Mapping) and len(document) == 1 else None
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_PORTS:
        raise UsageError(f'the body must be {{"ports": [...]}} with 1 to {MAX_PORTS} ports, and nothing else')
    requests = [_parse_port(row) for row in rows]
    if len({request.key for request in requests}) != len(requests):
        raise UsageError("a port is listed twice")
    return requests


def _parse_port(row: object) -> PortRequest:
    known = row if isinstance(row, Mapping) and row.keys() == {"port", "protocol", "nonce"} else {}
    port, protocol, nonce = (known.get(key) for key in ("port", "protocol", "nonce"))
    is_valid = (
        type(port) is int
        and 1 <= port <= 65535
        and protocol in ("TCP", "UDP")
        and isinstance(nonce, str)
        and _NONCE.match(nonce)
    )
    if not is_valid:
        raise UsageError("each port needs exactly port (1-65535), protocol (TCP or UDP) and nonce")
    return PortRequest(Protocol(str(protocol)), int(str(port)), bytes.fromhex(str(nonce)))


def order_datagram(session: bytes, cookie: bytes, port: int) -> bytes:
    """Return the datagram that orders one probe of a UDP port."""
    return (ORDER + session + cookie + port.to_bytes(2, "big")).ljust(ORDER_SIZE, b"\0")


def parse_order(datagram: bytes) -> tuple[bytes, bytes, int] | None:
    """Return session, cookie and port of an order; None if the datagram is not one."""
    if len(datagram) != ORDER_SIZE or not datagram.startswith(ORDER):
        return None
    at = len(ORDER)
    session, cookie = datagram[at : at + SESSION_SIZE], datagram[at + SESSION_SIZE :][:COOKIE_SIZE]
    end = at + SESSION_SIZE + COOKIE_SIZE
    return session, cookie, int.from_bytes(datagram[end : end + 2], "big")
