"""What happens to the list of a soak."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from netlab.keeping import Way
from netlab.soak.scene import LIFETIMES, PORTS, THEIRS, Scene

FIRST_SPARE_PORT = 9000


class ListFaults:
    """Rows come, change and go; one wants what another host has."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._lifetimes = itertools.cycle(LIFETIMES)
        self._lifetime = next(self._lifetimes)
        self._spare_ports = itertools.count(FIRST_SPARE_PORT)

    @contextlib.contextmanager
    def edit(self) -> Iterator[None]:
        """A row comes, or goes again."""
        chance = self._scene.chance
        more = self._more()
        if len(more) > 1 or (more and chance.random() < 0.5):
            self._write(more[1:])
        else:
            # No port comes back: what a prober saw there before would count again.
            self._write([*more, (chance.choice(("TCP", "UDP")), next(self._spare_ports))])
        yield

    @contextlib.contextmanager
    def edit_after_crash(self) -> Iterator[None]:
        """The program is killed, a row comes or goes, and only then the program is started again."""
        self._scene.kept.kill()
        with self.edit():
            self._scene.start()
            self._scene.is_over()
            yield

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Every row has another duration."""
        self._lifetime = next(self._lifetimes)
        self._write(self._more())
        yield

    def is_changed(self) -> bool:
        """Tell whether every lease has that duration."""
        return {mapping["lifetime"] for mapping in self._mappings()} == {self._lifetime}

    @contextlib.contextmanager
    def covet(self) -> Iterator[None]:
        """For a while a row wants the port of another host."""
        kept, ways = self._scene.kept, self._scene.kept.ways
        kept.write([*ways, (THEIRS.protocol, THEIRS.external_port)], self._lifetime)
        # Nobody waits for it to open.
        kept.ways = ways
        self._scene.is_over()
        yield
        kept.write(ways, self._lifetime)

    def is_refused(self) -> bool:
        """Tell whether the daemon says that it cannot have it there; another gateway may open it."""
        wished = [m for m in self._mappings() if m["internal_port"] == THEIRS.internal_port]
        return bool(wished) and (wished[0]["state"] == "conflict" or bool(wished[0]["passed_over"]))

    def _more(self) -> Sequence[Way]:
        return self._scene.kept.ways[len(PORTS) :]

    def _write(self, more: Sequence[Way]) -> None:
        self._scene.kept.write([*PORTS, *more], self._lifetime)
        self._scene.is_over()

    def _mappings(self) -> list[dict[str, Any]]:
        mappings: list[dict[str, Any]] = self._scene.kept.status().get("mappings", [])
        return mappings
