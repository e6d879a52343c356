"""Changes of the list."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from netlab.managed_daemon import Endpoint
from netlab.soak.testbed import LIFETIMES, NEIGHBOR_RULE, PORTS, Testbed

FIRST_SPARE_PORT = 9000


class ListFaults:
    """Added, changed and removed rows, and a row for another host's port."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self._lifetimes = itertools.cycle(LIFETIMES)
        self._lifetime = next(self._lifetimes)
        self._spare_ports = itertools.count(FIRST_SPARE_PORT)

    @contextlib.contextmanager
    def edit(self) -> Iterator[None]:
        """Add or remove a row."""
        chance = self._testbed.chance
        more = self._more()
        if len(more) > 1 or (more and chance.random() < 0.5):
            self._write(more[1:])
        else:
            # A port is never reused, because earlier outages of its prober would count again.
            self._write([*more, (chance.choice(("TCP", "UDP")), next(self._spare_ports))])
        yield

    @contextlib.contextmanager
    def edit_after_crash(self) -> Iterator[None]:
        """Kill the daemon, add or remove a row, and start the daemon."""
        self._testbed.managed.kill()
        with self.edit():
            self._testbed.start()
            self._testbed.mark_over()
            yield

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Change the duration of every row."""
        self._lifetime = next(self._lifetimes)
        self._write(self._more())
        yield

    def is_changed(self) -> bool:
        """Return whether every lease has the new duration."""
        return {mapping["lifetime"] for mapping in self._mappings()} == {self._lifetime}

    @contextlib.contextmanager
    def claim_neighbor_port(self) -> Iterator[None]:
        """Add a row for the port of another host for a while."""
        managed, endpoints = self._testbed.managed, self._testbed.managed.endpoints
        managed.write([*endpoints, (NEIGHBOR_RULE.protocol, NEIGHBOR_RULE.external_port)], self._lifetime)
        # This port is not expected to open.
        managed.endpoints = endpoints
        self._testbed.mark_over()
        yield
        managed.write(endpoints, self._lifetime)

    def is_refused(self) -> bool:
        """Return whether the daemon reports a conflict; another gateway may still open the port."""
        requested = [m for m in self._mappings() if m["internal_port"] == NEIGHBOR_RULE.internal_port]
        return bool(requested) and (requested[0]["state"] == "conflict" or bool(requested[0]["passed_over"]))

    def _more(self) -> Sequence[Endpoint]:
        return self._testbed.managed.endpoints[len(PORTS) :]

    def _write(self, more: Sequence[Endpoint]) -> None:
        self._testbed.managed.write([*PORTS, *more], self._lifetime)
        self._testbed.mark_over()

    def _mappings(self) -> list[dict[str, Any]]:
        mappings: list[dict[str, Any]] = self._testbed.managed.status().get("mappings", [])
        return mappings
