"""Finds the external port of one row in the stream of events."""

from __future__ import annotations

from collections.abc import Hashable

from portmapper.api import Event, EventKind, Family, Protocol

_GRANTED = frozenset(
    {
        EventKind.OPENED,
        EventKind.RENEWED,
        EventKind.EXTERNAL_PORT_CHANGED,
        EventKind.EXTERNAL_ADDRESS_CHANGED,
    }
)
_ORDER = (
    (Protocol.TCP, Family.IPV4),
    (Protocol.UDP, Family.IPV4),
    (Protocol.TCP, Family.IPV6),
    (Protocol.UDP, Family.IPV6),
)
"""Peers connect over TCP first, and a pinhole's port is no news: over IPv6, it is the internal port."""


class GrantedPort:
    """The port of one row. A row for both protocols has one number; until it has, TCP's counts.

    Args:
        mapping: the row's comment, or its internal or requested external port.
    """

    def __init__(self, mapping: str) -> None:
        self._mapping = mapping
        self._granted: dict[tuple[Protocol, Family], tuple[int, Hashable]] = {}

    @property
    def number(self) -> int | None:
        """The external port, None while none is open."""
        return next((self._granted[half][0] for half in _ORDER if half in self._granted), None)

    def note(self, event: Event) -> None:
        """Take note of an event; those of other rows change nothing."""
        if event.protocol is None or event.family is None or not self._is_ours(event):
            return
        half = (event.protocol, event.family)
        holder = (event.backend, event.gateway)
        if event.kind in _GRANTED and event.external_port:
            self._granted[half] = (event.external_port, holder)
        # A lease that another gateway's or protocol's lease has replaced is closed after that one is open.
        elif event.kind is EventKind.CLOSED and self._granted.get(half, (0, None))[1] == holder:
            del self._granted[half]

    def _is_ours(self, event: Event) -> bool:
        ports = {str(port) for port in (event.internal_port, event.wanted_external_port) if port}
        return self._mapping in ports or event.comment.strip() == self._mapping
