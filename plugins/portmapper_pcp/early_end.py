"""Probes that can be ended early, because another protocol of the gateway has answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from portmapper.api import EndsSearch, Target

ANSWER_TIME = 0.2
"""Seconds to wait for a gateway that has answered over another protocol: servers of PCP and NAT-PMP do not
delay their answers, as UPnP devices do (MX)."""

T = TypeVar("T")


class EndsProbe(EndsSearch):
    """A backend whose searches are one probe each."""

    def __init__(self) -> None:
        self._probes: dict[Target, asyncio.Timeout] = {}

    def end_search(self, target: Target, patience: float) -> None:
        """End the probe of a target after `patience` seconds at most, unless it has ended."""
        probe = self._probes.get(target)
        if probe is not None and not probe.expired():
            probe.reschedule(asyncio.get_running_loop().time() + min(patience, ANSWER_TIME))

    async def within(self, target: Target, probe: Awaitable[T]) -> T | None:
        """Await a probe, and return None if it was ended early."""
        try:
            async with asyncio.timeout(None) as self._probes[target]:
                return await probe
        except TimeoutError:
            return None
        finally:
            self._probes.pop(target, None)
