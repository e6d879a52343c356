"""The interface of observers that read the daemon's table, and not only single events."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any


class ReadsStatus(abc.ABC):
    """Capability of an observer: read the status document, as `portmapper status --json` prints it."""

    @abc.abstractmethod
    def attach_status(self, status: Callable[[], dict[str, Any]]) -> None:
        """Set the function that returns the current status document. Called before `start`.

        The function is called on the event loop. It describes every mapping, so call it only after a change,
        and at most once a second.
        """
