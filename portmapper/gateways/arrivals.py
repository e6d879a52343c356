"""Searches that start because a gateway announces a protocol in which it was not found."""

from __future__ import annotations

import logging
from collections.abc import Callable

from portmapper.support.clock import Clock

GAP = 60.0
"""Seconds between two searches of one target because of announcements in one protocol: they can be forged."""

_log = logging.getLogger(__name__)


class Arrivals:
    """The announcements at one target, and the searches that they start.

    Args:
        is_missing: tells whether the last search of a backend ended without a gateway. A gateway that was
            found watches the announcements itself.
        clock: for the gap between two searches.
        search_now: starts a search with that backend, or with all of them.
    """

    def __init__(
        self, is_missing: Callable[[str], bool], clock: Clock, search_now: Callable[[str], None]
    ) -> None:
        self._is_missing = is_missing
        self._clock = clock
        self._search_now = search_now
        self._searched_at: dict[str, float] = {}

    def arrived(self, backend: str) -> None:
        """Note an announcement in the protocol of a backend."""
        now = self._clock.monotonic()
        if not self._is_missing(backend) or now < self._searched_at.get(backend, now - GAP) + GAP:
            return
        self._searched_at[backend] = now
        _log.debug("a gateway announces %s; searching", backend)
        self._search_now(backend)
