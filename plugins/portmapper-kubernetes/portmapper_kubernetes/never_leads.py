"""The guard of a dry run: nothing is ever sent."""

from __future__ import annotations

import asyncio

from portmapper.api import Guard


class NeverLeads(Guard):
    """A guard that never lets this daemon act."""

    name = "dry-run"

    async def run(self) -> None:
        """Wait until canceled."""
        await asyncio.Event().wait()

    def may_act(self, margin: float = 0.0) -> bool:
        """Return False."""
        return False
