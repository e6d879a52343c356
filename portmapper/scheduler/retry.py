"""How long a mapping that no gateway granted waits for its next attempt. Pure."""

from __future__ import annotations

from portmapper.api.errors import BackendError, GatewayRestarted, GatewayTimeout, NetworkFailure
from portmapper.scheduler.record import Record
from portmapper.support.backoff import refusal_delay, renewal_delay, retry_delay


class HostFailure(BackendError):
    """A system call of this host failed; the gateway may never have been asked."""


_TRANSIENT = NetworkFailure | GatewayTimeout | GatewayRestarted | HostFailure
"""Errors that say nothing of the next attempt. A rule's refusal, a conflict or a full table last a while."""


def delay_after_failure(record: Record, now: float, longest: float) -> float:
    """Return the seconds until the next attempt.

    A lease that is still held keeps the rhythm of its renewals, unless it leads to a former address of this
    host. A refusal waits as long as the gateway said, or longer each time. What may pass at any moment is
    retried soon.

    Args:
        record: after a failed attempt.
        now: monotonic seconds.
        longest: seconds; what may pass at any moment waits no longer.
    """
    if record.dirty:
        return 0.0
    errors = [error for _, error in record.refusals]
    error_lifetime = max((error.retry_after or 0 for error in errors), default=0)
    lease = record.lease
    if lease is not None and not lease.permanent and not record.suspect and not record.has_former_address:
        renewal = renewal_delay(lease.lifetime, record.attempts, now - record.granted_at)
        return max(renewal, error_lifetime)
    if not errors or any(isinstance(error, _TRANSIENT) for error in errors):
        return retry_delay(record.attempts - 1, longest)
    return refusal_delay(record.attempts - 1, error_lifetime)
