"""The interface of guards: a guard decides which of several daemons may change gateways."""

from __future__ import annotations

import abc
import asyncio
from typing import ClassVar


class Guard(abc.ABC):
    """One daemon's part in the election of a leader. Only the leader changes gateways.

    A gateway cannot tell an old leader from a new one. Therefore the daemon calls `may_act` before each
    request that changes a gateway, and before each packet of such a request. A daemon leads at most once:
    after leadership is lost, it sends nothing more and exits with status 5, and the service manager starts it
    again.

    Attributes:
        name: the scheme of `--lead-with NAME:LOCATION`, such as `etcd`.
        release_margin: extra margin in seconds for a request that closes a port. A late renewal is harmless,
            but a late release may close what the next leader has just opened.
        leading: set while this daemon leads.
        lost: set once leadership is lost, never cleared.
    """

    name: ClassVar[str]
    release_margin: float = 0.0

    def __init__(self, location: str = "") -> None:
        """Prepare, and send nothing.

        Args:
            location: the text after `NAME:`.

        Raises:
            UsageError: the location is invalid.
        """
        self.location = location
        self.leading = asyncio.Event()
        self.lost = asyncio.Event()

    @abc.abstractmethod
    async def run(self) -> None:
        """Take part in the election until canceled, or until leadership is lost.

        Set `leading` when this daemon leads, and `lost` when it no longer does. Handle a server that does not
        answer: wait and try again. If this raises an error or returns, a leader has lost its leadership, and
        a follower calls it again after a pause.
        """

    @abc.abstractmethod
    def may_act(self, margin: float = 0.0) -> bool:
        """Return whether this daemon leads now, and still leads `margin` seconds from now.

        This is called before each packet, also right after the process was suspended. Compare times of the
        monotonic clock, and do not wait.
        """

    @property
    def leader(self) -> str | None:
        """Name of the leader, also while another daemon leads; None if it is not known."""
        return None

    async def wait_until_leading(self) -> None:
        """Wait until this daemon leads."""
        await self.leading.wait()

    async def close(self) -> None:
        """Step down, and hand leadership over. Called after `run` was canceled; nothing more is sent."""
        self.lost.set()
