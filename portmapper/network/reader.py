"""Reads the network again and again: a failed reading keeps the last known network."""

from __future__ import annotations

import logging
from collections.abc import Callable

from portmapper.network.host import Network, read_network

_log = logging.getLogger(__name__)


class NetworkReader:
    """The host's network as it was when it could last be read.

    Attributes:
        problem: why the network cannot be read now, or None.
    """

    def __init__(self, read: Callable[[], Network] | None = None) -> None:
        """Read the network with `read`, by default from the system."""
        self._read = read
        self._last = Network((), ())
        self.problem: str | None = None

    def __call__(self) -> Network:
        """Read the network; while that fails, return the last known one and log it once.

        No descriptor or memory left, or a container that hides /proc, must not look like a host without
        addresses: every lease would be given up.
        """
        try:
            self._last = (self._read or read_network)()
        except Exception as error:
            self._note(f"cannot read this host's network, using the last known state: {error}")
        else:
            self._note(None)
        return self._last

    def _note(self, problem: str | None) -> None:
        if problem is not None and self.problem is None:
            _log.warning("%s", problem)
        elif problem is None and self.problem is not None:
            _log.info("this host's network can be read again")
        self.problem = problem
