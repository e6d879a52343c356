"""A lease as a store keeps it."""

from __future__ import annotations

from datetime import datetime, timedelta

from portmapper.api.model import Lease, Protocol
from portmapper.support.values import frozen

LONGEST_UNSEEN = 86400
"""Seconds that a lease may last if the answer to its request was lost: a gateway may grant a longer lifetime
than requested, and RFC 6887 section 15 allows it a day."""

AnyPort = tuple[Protocol, str, int]
"""A mapping that accepts any external port: its protocol, its address as configured, its internal port."""


@frozen
class StoredLease:
    """A lease in the store.

    Attributes:
        lease: the granted lease; what was requested while `confirmed` is false.
        wanted_port: the external port that the mapping desires.
        granted_at: wall-clock time of the grant or of the request.
        confirmed: whether the gateway's answer arrived; if not, it may or may not hold the lease.
        source: location that listed the mapping.
        comment: the mapping's comment.
        origin: the mapping's origin.
        disturbed: whether the release of another lease may have closed it since the gateway granted it.
    """

    lease: Lease
    wanted_port: int
    granted_at: datetime
    confirmed: bool = True
    source: str = ""
    comment: str = ""
    origin: str = ""
    disturbed: bool = False

    @property
    def expires_at(self) -> datetime:
        """The latest wall-clock time at which a lease expires that is not permanent."""
        lifetime = self.lease.lifetime if self.confirmed else max(self.lease.lifetime, LONGEST_UNSEEN)
        return self.granted_at + timedelta(seconds=lifetime)

    def expired(self, now: datetime) -> bool:
        """Return whether the lease has expired."""
        return not self.lease.permanent and now >= self.expires_at
