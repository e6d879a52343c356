"""Changes of addresses and routes on macOS and the BSDs, from a route(4) socket.

Each message begins with its length, its version and its type. The rest differs between systems, and is not
needed: the new state is read from the system.
"""

from __future__ import annotations

import errno
import socket

_TYPE = 3
_ABOUT_PACKETS = frozenset({0x4, 0x5, 0x7, 0x8, 0xB})
"""RTM_GET, LOSING, MISS, LOCK and RESOLVE: they report lookups, not changes, and may be frequent."""


def announcements() -> socket.socket:
    """Return a socket that receives a message for each change; it does not block.

    Raises:
        OSError: no socket is left, or the system has no such sockets.
    """
    family = getattr(socket, "AF_ROUTE", None)
    if family is None:
        raise OSError(errno.EAFNOSUPPORT, "the system has no routing sockets")
    link = socket.socket(family, socket.SOCK_RAW, 0)
    link.setblocking(False)
    return link


def is_change(message: bytes) -> bool:
    """Return whether a message is about a change; an unknown type is one."""
    return len(message) > _TYPE and message[_TYPE] not in _ABOUT_PACKETS
