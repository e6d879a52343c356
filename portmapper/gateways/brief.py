"""Searches of one-time commands: they start from what the last run knew, and end early.

The daemon keeps searching, so a late answer is of use to it. A command waits for every answer, and most homes
have a protocol that never answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import attrs

from portmapper.api.backend import Backend, Gateway, Target
from portmapper.api.model import IPAddress
from portmapper.support.values import frozen

PATIENCE = 1.2
"""Seconds to wait for the other protocols after the first answer: UPnP devices may take a second (MX)."""

PATIENCE_IF_ABSENT = 0.15
"""The same for a protocol that did not answer in the last run either."""


PATIENCE_ELSEWHERE = 0.3
"""The same on an interface without a default gateway, such as a bridge of containers: once a default gateway
has answered, another one is hardly needed."""


class KnownGateways(Protocol):
    """What is known of gateways from this run and from earlier ones."""

    def location(self, address: IPAddress, backend: str) -> str | None:
        """Return the description's URL; empty if the backend found nothing there, None if unknown."""

    def put(self, address: IPAddress, backend: str, location: str) -> None:
        """Remember it."""

    def learned(self, address: IPAddress, backend: str) -> str:
        """Return what a gateway has learned about its device, empty if nothing."""

    def put_learned(self, address: IPAddress, backend: str, text: str) -> None:
        """Remember it."""


class NothingKnown:
    """Knows no gateway, and remembers none."""

    def location(self, address: IPAddress, backend: str) -> str | None:
        """Return None."""

    def put(self, address: IPAddress, backend: str, location: str) -> None:
        """Forget it."""

    def learned(self, address: IPAddress, backend: str) -> str:
        """Return an empty text."""
        return ""

    def put_learned(self, address: IPAddress, backend: str, text: str) -> None:
        """Forget it."""


@frozen
class LearnedBy:
    """The place of one gateway in what is known; see `portmapper.api.learning`."""

    known: KnownGateways
    gateway: Gateway

    def read(self) -> str:
        """Return the text of an earlier run."""
        return self.known.learned(self.gateway.address, self.gateway.backend)

    def write(self, text: str) -> None:
        """Keep a text in its place."""
        self.known.put_learned(self.gateway.address, self.gateway.backend, text)


PRESENT = "present"
"""Takes the place of the location of a gateway whose protocol has no description."""


@frozen
class Brief:
    """How the searches of a one-time command are shortened."""

    known: KnownGateways = attrs.field(factory=NothingKnown)

    def direct(self, target: Target, backend: Backend) -> Target | None:
        """Return the target of a direct query of the known description, None if none is known."""
        if target.gateway is None or target.url is not None:
            return None
        location = self.known.location(target.gateway, backend.name)
        return None if location in (None, "", PRESENT) else attrs.evolve(target, url=location)

    def patience(self, target: Target, backend: Backend) -> float:
        """Return how long to wait for a backend once another protocol or another gateway has answered."""
        if target.gateway is None:
            return PATIENCE_ELSEWHERE
        absent = self.known.location(target.gateway, backend.name) == ""
        return PATIENCE_IF_ABSENT if absent else PATIENCE


def remember(known: KnownGateways, target: Target, found: Iterable[Gateway], absent: Iterable[str]) -> None:
    """Remember which protocols of the default gateway answered a search, and which did not."""
    answers = {gateway.backend: gateway for gateway in found if gateway.address == target.gateway}
    if target.gateway is None or target.port is not None:
        return
    for name, gateway in answers.items():
        known.put(target.gateway, name, gateway.location or PRESENT)
    # For a URL, other protocols were not asked.
    for name in set(absent) - answers.keys() if target.url is None else ():
        known.put(target.gateway, name, "")
