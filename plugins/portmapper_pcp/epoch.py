"""Telling from a gateway's clock that it restarted and lost its table; pure."""

from __future__ import annotations

from collections.abc import Callable

Rule = Callable[[float, float], bool]
"""Tells a restart from the seconds that passed on the server and on the client between two replies."""


def pcp_restarted(server: float, client: float) -> bool:
    """RFC 6887 section 8.5: the server's clock went back, or ran at another pace than ours."""
    if server < -1:
        return True
    return client + 2 < server - server / 16 or server + 2 < client - client / 16


def natpmp_restarted(server: float, client: float) -> bool:
    """RFC 6886 section 3.6: it is more than 2 s behind 7/8 of the time that passed."""
    return server < client * 7 / 8 - 2


class Epoch:
    """The gateway's clock as last seen.

    Our own clock must be monotonic. One that stops while the host sleeps is right for PCP: the wake-up
    then looks like a restart, and everything is renewed.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._last: tuple[int, float] | None = None

    def contradicts(self, epoch: int, now: float) -> bool:
        """Tell whether `epoch` at our time `now` means a restart, and remember nothing."""
        if self._last is None:
            return False
        last_epoch, last_seen = self._last
        return self._rule(epoch - last_epoch, now - last_seen)

    def accept(self, epoch: int, now: float) -> bool:
        """Take `epoch` as the new truth; tell whether it means a restart."""
        restarted = self.contradicts(epoch, now)
        self._last = (epoch, now)
        return restarted
