"""The gate of a daemon with a guard: nothing that changes a gateway is sent unless this daemon leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from portmapper.api.errors import NotLeading

POLL_INTERVAL = 0.1
"""Seconds between two checks while only the margin for a release is missing."""


class LeaderGate:
    """Asks the guard before each packet; see `portmapper.support.send_gate`."""

    def __init__(
        self, may_act: Callable[[float], bool], release_margin: float, denied: Callable[[], None]
    ) -> None:
        """Ask `may_act` with the margin of the request; `denied` is called if this daemon does not lead."""
        self._may_act = may_act
        self._margin = release_margin
        self._denied = denied

    def check(self, *, closes: bool) -> None:
        """Raise `NotLeading` if the packet may not be sent."""
        if not self._may_pass(closes):
            raise NotLeading("this daemon does not lead")

    async def passing(self, *, closes: bool) -> None:
        """Wait until a request may be sent. A daemon that no longer leads waits until it is stopped."""
        while not self._may_pass(closes):
            if not self._may_act(0.0):
                await asyncio.Event().wait()
            await asyncio.sleep(POLL_INTERVAL)

    def _may_pass(self, closes: bool) -> bool:
        if self._may_act(self._margin if closes else 0.0):
            return True
        if not self._may_act(0.0):
            self._denied()
        return False
