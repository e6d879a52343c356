"""When each gateway restarted last, from the journal."""

from __future__ import annotations

from portmapper.api import WebView

FIRST_LOOK = 2000
"""Events that are read at first; later only those since then."""


class Restarts:
    """Remembers the last restart of each gateway.

    Attributes:
        times: the time for each address.
    """

    def __init__(self) -> None:
        self.times: dict[str, str] = {}
        self._newest = -1

    async def update(self, view: WebView) -> None:
        """Read the events since the last call."""
        limit = FIRST_LOOK if self._newest < 0 else 50
        events = await view.history(limit)
        missed = bool(events) and events[0]["id"] > self._newest + 1 and limit != FIRST_LOOK
        for event in await view.history(FIRST_LOOK) if missed else events:
            if event["event"] == "gateway_restarted":
                self.times[event["gateway"]] = event["at"]
            self._newest = max(self._newest, event["id"])
