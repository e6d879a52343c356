"""Releases orphans: leases that no mapping claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from portmapper.api.backend import Gateway, Target
from portmapper.api.errors import UNREACHABLE, BackendError
from portmapper.api.model import Lease
from portmapper.gateways.bounded import unmap_at
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.workqueue import Priority, WorkQueues
from portmapper.scheduler.releases import Releases
from portmapper.store.ownership import Ownership
from portmapper.store.stored_lease import StoredLease
from portmapper.support.backoff import retry_delay
from portmapper.support.clock import Clock
from portmapper.support.duration import format_local

LONGEST_PAUSE = 300.0
LONGEST_PAUSE_REFUSED = 3600.0
"""Seconds between two attempts to release what a gateway refuses to, such as the lease of a former address.

A permanent lease is retried for ever, because it stays open for ever if we forget it. Its address may come
back, or the gateway may be configured to let other hosts close it. Until then, this is one packet an hour.
"""

Report = Callable[[StoredLease, str], None]
"""Called with each lease that was released, or with the reason why its release failed."""


class Orphans:
    """The releases under way, and when a failed release is retried."""

    def __init__(
        self,
        discovery: Discovery,
        ownership: Ownership,
        queues: WorkQueues,
        releases: Releases,
        clock: Clock,
        *,
        is_claimed: Callable[[StoredLease], bool],
        is_awaited: Callable[[StoredLease], bool],
        is_idle: Callable[[], bool],
        prepare: Callable[[Lease], None],
        report: Report,
    ) -> None:
        self._discovery = discovery
        self._ownership = ownership
        self._queues = queues
        self._releases = releases
        self._clock = clock
        self._is_claimed = is_claimed
        self._is_awaited = is_awaited
        self._is_idle = is_idle
        self._prepare = prepare
        self._report = report
        self._running: set[bytes] = set()
        self._failed: dict[bytes, tuple[int, float]] = {}
        self._ends: dict[bytes, float] = {}
        self._rounds_ended = 0

    def after_round(self) -> bool:
        """Return whether to start the releases that the ended round has delayed.

        That checks every orphan. With many orphans it is not due after every round: if ten thousand leases
        are adopted one by one, it would check all of them ten thousand times.
        """
        self._rounds_ended += 1
        orphans = self._ownership.orphan_count
        is_due = orphans > 0 and (self._is_idle() or 10 * self._rounds_ended >= orphans)
        if is_due:
            self._rounds_ended = 0
        return is_due

    def start(self, targets: Callable[[], Sequence[Target]]) -> Iterator[None]:
        """Start every release that can start, one in each step.

        `targets` are searched for gateways that are not known yet.
        """
        orphans = self._ownership.orphans()
        self._forget_others({stored.lease.token for stored in orphans})
        for stored in orphans:
            self._start(stored, targets)
            yield

    def _start(self, stored: StoredLease, targets: Callable[[], Sequence[Target]]) -> None:
        token = stored.lease.token
        if not self._ownership.is_orphan(token) or token in self._running or self._is_claimed(stored):
            return
        # Check this only after the claims: a claimed lease may be open, whatever its dates say.
        if self._has_ended(stored):
            self._ownership.released(token)
            return
        if self._is_pausing(token) or self._is_awaited(stored):
            return
        cover = self._ownership.desired_lease_of_same_forward(stored)
        if cover is not None:
            self._leave_to(cover, stored)
            return
        gateway = self._discovery.gateway(stored.lease.gateway, stored.lease.internal_address)
        if gateway is not None:
            self._running.add(token)
            self._queues.submit(gateway, partial(self._release, gateway, stored), Priority.RELEASE)
        else:
            for target in targets():
                self._discovery.search(target)

    def _forget_others(self, tokens: set[bytes]) -> None:
        """Forget what is known about leases that are no orphans any more."""
        if self._failed.keys() - tokens:
            self._failed = {token: self._failed[token] for token in tokens & self._failed.keys()}
        if self._ends.keys() - tokens:
            self._ends = {token: self._ends[token] for token in tokens & self._ends.keys()}

    def _has_ended(self, stored: StoredLease) -> bool:
        """Return whether the gateway cannot hold a lease any more, in monotonic time.

        The wall clock is asked once. If it says that the lease is over, or not granted yet, it may have been
        set since the grant: then the lease is released, and a failed release retried, for a whole lifetime.
        """
        if stored.lease.permanent:
            return False
        now = self._clock.monotonic()
        if stored.lease.token not in self._ends:
            left = (stored.expires_at - self._clock.now()).total_seconds()
            whole = (stored.expires_at - stored.granted_at).total_seconds()
            self._ends[stored.lease.token] = now + (left if 0 < left <= whole else whole)
        return now >= self._ends[stored.lease.token]

    def unfinished(self) -> bool:
        """Return whether a search under way may still find the gateway of an orphan."""
        searching = any(not search.done for search in self._discovery.searches)
        orphans = self._ownership.orphans()
        return searching and any(
            stored.lease.token not in self._failed and not self._is_wanted(stored) for stored in orphans
        )

    def _leave_to(self, cover: Lease, stored: StoredLease) -> None:
        """Do not close what a desired lease keeps open too.

        A permanent lease of another protocol stays an orphan until that desired lease is released: a gateway
        with one table per protocol would hold it for ever.
        """
        if cover.gateway == stored.lease.gateway or not stored.lease.permanent:
            self._ownership.released(stored.lease.token)

    def _is_wanted(self, stored: StoredLease) -> bool:
        return self._is_claimed(stored) or self._is_awaited(stored)

    def _is_pausing(self, token: bytes) -> bool:
        return token in self._failed and self._clock.monotonic() < self._failed[token][1]

    async def _release(self, gateway: Gateway, stored: StoredLease) -> None:
        token = stored.lease.token
        if not self._ownership.is_orphan(token) or self._is_wanted(stored):
            self._running.discard(token)  # a mapping wants it again since this was queued
            return
        try:
            with self._releases.under_way(gateway, stored.lease):
                self._prepare(stored.lease)
                await unmap_at(gateway, stored.lease)
        except BackendError as error:
            attempts = self._failed.get(token, (0, 0.0))[0]
            longest = LONGEST_PAUSE if isinstance(error, UNREACHABLE) else LONGEST_PAUSE_REFUSED
            pause = max(retry_delay(attempts, longest), error.retry_after or 0)
            self._failed[token] = (attempts + 1, self._clock.monotonic() + pause)
            if attempts == 0:
                self._report(stored, f"{error}; {_describe_end(stored)}")
        else:
            self._failed.pop(token, None)
            self._ownership.released(token)
            if stored.confirmed:
                self._report(stored, "")
        finally:
            self._running.discard(token)


def _describe_end(stored: StoredLease) -> str:
    """Return when a lease ends that cannot be released."""
    if stored.lease.permanent:
        return "it never expires, so portmapper keeps trying"
    return f"it expires at {format_local(stored.expires_at)}"
