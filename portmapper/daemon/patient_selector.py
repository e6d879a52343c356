"""A selector whose failure does not end the event loop."""

from __future__ import annotations

import logging
import selectors
import time

from portmapper.support.reasons import plain_reason

PAUSE = 0.1
"""Seconds before the next attempt. Timers run late by at most that."""

_log = logging.getLogger(__name__)


class PatientSelector(selectors.DefaultSelector):
    """Reports no events if the system refuses to wait for them, and tries again."""

    def __init__(self) -> None:
        super().__init__()
        self._fails = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events."""
        try:
            ready = super().select(timeout)
        except (OSError, MemoryError) as error:
            if not self._fails:
                _log.error("cannot wait for the network, trying again: %s", plain_reason(error))
            self._fails = True
            time.sleep(PAUSE)
            return []
        self._fails = False
        return ready
