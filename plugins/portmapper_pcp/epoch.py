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

    @property
    def last(self) -> tuple[int, float] | None:
        """The last epoch and our own time when it came, both in seconds; None before the first."""
        return self._last

    def hints_at_restart(self, epoch: int, now: float) -> bool:
        """Judge an announced epoch at our time `now`, and remember nothing: it may be forged.

        Stricter than the rule by about a second, which is what whole seconds cost: a gateway that
        restarts twice within the rule's tolerance announces it, and its reply can confirm nothing.
        """
        if self._last is None:
            return False
        server, client = epoch - self._last[0], now - self._last[1]
        return server < client * 7 / 8 - 1 or self._rule(server, client)

    def accept(self, epoch: int, now: float) -> bool:
        """Take a reply's `epoch` as the new truth; tell whether it means a restart."""
        last, self._last = self._last, (epoch, now)
        return last is not None and self._rule(epoch - last[0], now - last[1])
