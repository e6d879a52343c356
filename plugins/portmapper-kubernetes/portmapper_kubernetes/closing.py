"""Closes ports that an earlier leader opened for objects that no longer want them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import attrs

from portmapper.api import ANY_PORT, MappingState, Row
from portmapper_kubernetes.open_ports import OpenPort, OpenPorts
from portmapper_kubernetes.wanted import ANY, Wanted

GIVE_UP_AFTER = 30.0
"""Seconds after which a port is given up that cannot be closed, such as one on a dead gateway.

It ends with its lifetime.
"""

LIFETIME = 120
"""Requested lifetime of a port that is about to be closed: if the release is lost, it ends soon."""

_log = logging.getLogger(__name__)


@attrs.define
class _Closing:
    origin: str
    since: float
    is_taken_over: bool = False


class Closing:
    """The ports that are being closed.

    A gateway closes a mapping only for the daemon that knows it. Therefore portmapper first takes such a
    port over, as it takes over all others, and then drops it.
    """

    def __init__(self, open_ports: OpenPorts, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._open_ports = open_ports
        self._monotonic = monotonic
        self._ports: dict[OpenPort, _Closing] = {}

    def __len__(self) -> int:
        return len(self._ports)

    def begin(
        self,
        wanted: Iterable[Wanted],
        spared: Collection[str] = (),
        is_known: Callable[[str], bool] = lambda origin: True,
    ) -> None:
        """Find the open ports that no object wants. Called once, when this replica becomes the leader.

        Ports of the objects `spared`, and of kinds that are not known, are left as they are.
        """
        kept = {key for port in wanted for key in _keys(port)}
        now = self._monotonic()
        for port, origin in self._open_ports.items():
            if (
                origin not in spared
                and is_known(origin)
                and not kept.intersection(_keys_of_open(port, origin))
            ):
                self._ports[port] = _Closing(origin, now)
        if self._ports:
            _log.info("closing %d ports of objects that are gone", len(self._ports))

    def begin_held_back(self, mappings: Iterable[Mapping[str, Any]]) -> bool:
        """Find the open ports of rows that are held back, such as after the end of their schedule.

        An earlier leader opened them, so the daemon does not know that they are open. Return whether there
        are any. `mappings` are those of the status document.
        """
        held = {(mapping.get("origin"), *_place(mapping)) for mapping in mappings if _is_held_back(mapping)}
        now = self._monotonic()
        found = {
            port: _Closing(origin, now)
            for port, origin in self._open_ports.items()
            if port not in self._ports and held.intersection(_held_places(port, origin))
        }
        self._ports |= found
        return bool(found)

    def rows(self) -> list[Row]:
        """Return a row for each port that is not taken over yet."""
        return [
            port.row(closing.origin, LIFETIME, "that is about to be closed")
            for port, closing in self._ports.items()
            if not closing.is_taken_over
        ]

    def claims(self) -> set[tuple[object, ...]]:
        """Return the external ports that others can have only after they are closed."""
        return {(port.family, port.protocol, port.external_port) for port in self._ports}

    def check(self, mappings: Sequence[Mapping[str, Any]]) -> bool:
        """Drop what was taken over or failed; return whether the rows changed.

        `mappings` are those of the status document.
        """
        before = (len(self.rows()), len(self._ports))
        states = {_place(mapping): mapping["state"] for mapping in mappings}
        now = self._monotonic()
        for port, closing in list(self._ports.items()):
            state = states.get(_place_of_open(port), "")
            if not self._is_open(port):
                del self._ports[port]
            elif state == "active":
                closing.is_taken_over = True
            elif state in ("conflict", "refused") or now > closing.since + GIVE_UP_AFTER:
                self._give_up(port, closing)
        return (len(self.rows()), len(self._ports)) != before

    def _give_up(self, port: OpenPort, closing: _Closing) -> None:
        text = "port %d/%s of %s cannot be closed; it ends with its lifetime"
        _log.warning(text, port.external_port, port.protocol.lower(), closing.origin)
        del self._ports[port]
        self._open_ports.discard(port)

    def _is_open(self, port: OpenPort) -> bool:
        return port in self._open_ports


def _keys(wanted: Wanted) -> list[tuple[object, ...]]:
    """Return what identifies a wanted port; an external port that the gateway chooses is unknown."""
    address = str(wanted.address) if wanted.address is not None else None
    external = None if wanted.external == ANY else wanted.external
    return [
        (wanted.reference.origin, wanted.protocol, wanted.family, address, wanted.internal_port, external)
    ]


def _keys_of_open(port: OpenPort, origin: str) -> set[tuple[object, ...]]:
    return {
        (origin, port.protocol, port.family, address, port.internal_port, external)
        for address in (port.internal_address, None)
        for external in (port.external_port, None)
    }


def _place(mapping: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        mapping["protocol"],
        mapping["internal_address"],
        mapping["internal_port"],
        mapping["wanted_external_port"],
    )


def _is_held_back(mapping: Mapping[str, Any]) -> bool:
    return mapping["state"] in (MappingState.PAUSED, MappingState.WAITING)


def _held_places(port: OpenPort, origin: str) -> set[tuple[object, ...]]:
    """Return how a held-back row may describe a port: it may lack the address and the external port."""
    return {
        (origin, port.protocol.value, address, port.internal_port, external)
        for address in (port.internal_address, None)
        for external in (port.external_port, ANY_PORT)
    }


def _place_of_open(port: OpenPort) -> tuple[object, ...]:
    return (port.protocol.value, port.internal_address, port.internal_port, port.external_port)
