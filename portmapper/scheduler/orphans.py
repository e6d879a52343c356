"""Releases leases that no mapping claims any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from portmapper.api.backend import Gateway, Target
from portmapper.api.errors import UNREACHABLE, BackendError
from portmapper.api.model import Lease
from portmapper.gateways.calls import bounded
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.workqueue import WorkQueues
from portmapper.store.leases import StoredLease
from portmapper.store.ownership import Ownership
from portmapper.support.backoff import retry_delay
from portmapper.support.clock import Clock

LONGEST_PAUSE = 300.0
LONGEST_PAUSE_REFUSED = 3600.0
"""Seconds between two attempts at what a gateway refuses: the lease of an address that is gone, say.

A permanent one is never given up. It stands for ever if we forget it, and its address may come back, or
the gateway be told to let other hosts close it; until then that is one packet an hour.
"""

Tell = Callable[[StoredLease, str], None]
"""Told of each lease that was released, or why it was not."""


class Orphans:
    """The releases under way, and when a failed one is tried again."""

    def __init__(
        self,
        discovery: Discovery,
        ownership: Ownership,
        queues: WorkQueues,
        clock: Clock,
        *,
        is_claimed: Callable[[StoredLease], bool],
        is_idle: Callable[[], bool],
        tell: Tell,
    ) -> None:
        self._discovery = discovery
        self._ownership = ownership
        self._queues = queues
        self._clock = clock
        self._is_claimed = is_claimed
        self._is_idle = is_idle
        self._tell = tell
        self._running: set[bytes] = set()
        self._failed: dict[bytes, tuple[int, float]] = {}
        self._rounds_ended = 0

    def after_round(self, targets: Callable[[], Sequence[Target]]) -> None:
        """Begin the releases that this round held up.

        It takes a look at every orphan, so with many of them not after every round: ten thousand leases
        that are adopted one by one would be looked at ten thousand times.
        """
        self._rounds_ended += 1
        if self._is_idle() or 10 * self._rounds_ended >= self._ownership.orphan_count:
            self.start(targets)

    def start(self, targets: Callable[[], Sequence[Target]]) -> None:
        """Begin every release that can begin; `targets` is where unknown gateways may be found."""
        self._rounds_ended = 0
        orphans, now = self._ownership.orphans(), self._clock.now()
        if self._failed:
            self._failed = {
                s.lease.token: self._failed[s.lease.token] for s in orphans if s.lease.token in self._failed
            }
        for stored in orphans:
            token = stored.lease.token
            if token in self._running or self._is_claimed(stored):
                continue
            if stored.expired(now):  # not before what is wanted was adopted: the clock may have been set
                self._ownership.released(token)
                continue
            if self._is_too_early(token):
                continue
            cover = self._ownership.cover_of(stored)
            if cover is not None:
                self._leave_to(cover, stored)
                continue
            gateway = self._discovery.gateway(stored.lease.gateway, stored.lease.internal_address)
            if gateway is not None:
                self._running.add(token)
                self._queues.submit(gateway, partial(self._release, gateway, stored))
            else:
                for target in targets():
                    self._discovery.search(target)

    def unfinished(self) -> bool:
        """Tell whether an orphan may still be released by a search that is under way."""
        searching = any(not search.done for search in self._discovery.searches)
        orphans = self._ownership.orphans()
        return searching and any(
            stored.lease.token not in self._failed and not self._is_claimed(stored) for stored in orphans
        )

    def _leave_to(self, cover: Lease, stored: StoredLease) -> None:
        """Do not close the hole that a wanted lease opens too.

        A permanent one that another protocol granted is kept in mind until that lease is released: a
        gateway with a table for each protocol holds it for ever.
        """
        if cover.gateway == stored.lease.gateway or not stored.lease.permanent:
            self._ownership.released(stored.lease.token)

    def _is_too_early(self, token: bytes) -> bool:
        return token in self._failed and self._clock.monotonic() < self._failed[token][1]

    async def _release(self, gateway: Gateway, stored: StoredLease) -> None:
        token = stored.lease.token
        try:
            await bounded(gateway, gateway.unmap(stored.lease))
        except BackendError as error:
            attempts = self._failed.get(token, (0, 0.0))[0]
            passing = isinstance(error, UNREACHABLE)
            longest = LONGEST_PAUSE if passing else LONGEST_PAUSE_REFUSED
            pause = max(retry_delay(attempts, longest), error.retry_after or 0)
            self._failed[token] = (attempts + 1, self._clock.monotonic() + pause)
            if attempts == 0:
                self._tell(stored, f"{error}; {_ends(stored)}")
        else:
            self._failed.pop(token, None)
            self._ownership.released(token)
            if stored.confirmed:
                self._tell(stored, "")
        finally:
            self._running.discard(token)


def _ends(stored: StoredLease) -> str:
    """Say what becomes of a lease that cannot be released."""
    if stored.lease.permanent:
        return "it has no end, and is tried again and again"
    return f"it ends by itself at {stored.runs_out_at.astimezone():%Y-%m-%d %H:%M:%S}"
