"""Where the protocols that are better than UPnP answer. Standard library only."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from portmapper.api import IPAddress


class Others:
    """The better protocols at one target.

    Attributes:
        answered: addresses where one of them has answered.
        alone: none of them takes part in the search.
    """

    def __init__(self) -> None:
        self.answered: Collection[IPAddress] = ()
        self.alone = False
        self._may_follow = False
        self._changed = asyncio.Event()

    def note(self, answered: Collection[IPAddress], *, may_follow: bool, alone: bool) -> None:
        """Take note of who has answered, and whether another one still may."""
        self.answered = answered
        self.alone = alone
        self._may_follow = may_follow
        self._changed.set()

    async def answer_within(self, seconds: float) -> bool:
        """Wait until one has answered, no other one may, or the time is over; return whether one has."""
        end = asyncio.get_running_loop().time() + seconds
        while self._may_follow and not self.answered:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(end):
                    await self._changed.wait()
            except TimeoutError:
                break
        return bool(self.answered)
