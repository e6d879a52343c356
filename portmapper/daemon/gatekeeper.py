"""Keeps the last decision of the gates, and decides again when a verdict changes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from portmapper.api.model import Mapping, MappingState
from portmapper.sources.gates import Decision, Gate, decide, limited
from portmapper.support.clock import Clock

LONGEST_SLEEP = 30.0
"""Seconds until the next look at the wall clock, which may be set or may jump after a suspend."""


class Gatekeeper:
    """Divides the mappings of all sources into desired ones and those that are held back.

    Attributes:
        decision: the last one.
    """

    def __init__(
        self, gates: Sequence[Gate], clock: Clock, changed: Callable[[], None], *, stays: bool = True
    ) -> None:
        """Decide nothing yet.

        Args:
            gates: asked in this order.
            clock: the wall clock of the verdicts.
            changed: called when a verdict has changed by itself; it calls `desired` again.
            stays: the run goes on until the mappings close; otherwise their leases end by themselves.
        """
        self.decision = Decision()
        self._gates = gates
        self._clock = clock
        self._changed = changed
        self._stays = stays
        self._decided = asyncio.Event()

    def desired(self, mappings: Iterable[Mapping]) -> Sequence[Mapping]:
        """Return the mappings that are desired now."""
        now = self._clock.now()
        self.decision = decide(mappings, self._gates, now)
        self._decided.set()
        return self.decision.desired if self._stays else limited(self.decision, now)

    @property
    def mappings(self) -> list[Mapping]:
        """All mappings of the last decision."""
        return [*self.decision.desired, *(held.mapping for held in self.decision.held_back)]

    @property
    def states(self) -> list[MappingState]:
        """The state of each mapping that is held back."""
        return [held.state for held in self.decision.held_back]

    async def run(self) -> None:
        """Decide again whenever a verdict changes by itself, until canceled."""
        while True:
            self._decided.clear()
            look_again = self.decision.look_again
            if look_again is None:
                await self._decided.wait()
                continue
            left = (look_again - self._clock.now()).total_seconds()
            if left <= 0:
                self._changed()
            await self._clock.wait(self._decided, min(max(left, 0.0), LONGEST_SLEEP))
