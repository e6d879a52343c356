"""Detection of a restart, and of a lost table, from the gateway's clock. Pure."""

from __future__ import annotations

from collections.abc import Callable

SERIES = 150
"""Seconds after a start in which announcements repeat."""

Rule = Callable[[float, float], bool]
"""Detects a restart from the seconds that passed on the server and on the client between two replies."""


def pcp_restarted(server: float, client: float) -> bool:
    """Apply RFC 6887 section 8.5: the server's clock went back, or ran at another speed than ours."""
    if server < -1:
        return True
    return client + 2 < server - server / 16 or server + 2 < client - client / 16


def natpmp_restarted(server: float, client: float) -> bool:
    """Apply RFC 6886 section 3.6: the server's clock is more than 2 s behind 7/8 of the elapsed time."""
    return server < client * 7 / 8 - 2


class Epoch:
    """The last known state of the gateway's clock.

    Our own clock must be monotonic. It may stop while the host sleeps: for PCP the wake-up then looks like
    a restart, and all leases are renewed, as they should be.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._last: tuple[int, float] | None = None

    @property
    def last(self) -> tuple[int, float] | None:
        """The last epoch and our own time of its arrival, both in seconds; None before the first."""
        return self._last

    def suggests_restart(self, epoch: int, now: float) -> bool:
        """Tell whether an announced epoch suggests a restart; do not store it, because it may be forged.

        The check is about a second stricter than the rule, because an epoch has whole seconds: if a gateway
        restarts twice within the rule's tolerance, it announces that, but its reply cannot confirm it.
        """
        if self._last is None:
            return False
        server, client = epoch - self._last[0], now - self._last[1]
        return server < client * 7 / 8 - 1 or self._rule(server, client)

    def repeats(self, epoch: int, now: float) -> bool:
        """Tell whether an announcement is about the start that an earlier reply already told of.

        A server repeats its announcements for about two minutes (RFC 6886 section 3.2.1). An epoch that is
        older than that may count from another start, such as that of the whole device.
        """
        if self._last is None or epoch > SERIES:
            return False
        started, known = now - epoch, self._last[1] - self._last[0]
        return abs(started - known) < 1

    def accept(self, epoch: int, now: float) -> bool:
        """Store the epoch of a reply; tell whether it means a restart."""
        last, self._last = self._last, (epoch, now)
        return last is not None and self._rule(epoch - last[0], now - last[1])
