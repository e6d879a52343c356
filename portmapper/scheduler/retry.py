"""The delay before the next round of an entry that no gateway granted; a pure function."""

from __future__ import annotations

from portmapper.api.errors import GatewayRestarted, GatewayTimeout, NetworkFailure
from portmapper.scheduler.lease_state import LeaseState
from portmapper.support.backoff import refusal_delay, renewal_delay, retry_delay

_TRANSIENT = NetworkFailure | GatewayTimeout | GatewayRestarted
"""Errors that say nothing about the next attempt. A denial, a conflict or a full table lasts for a while."""


def delay_after_failure(entry: LeaseState, now: float, longest: float) -> float:
    """Return the seconds until the next round.

    A lease that is still valid keeps its renewal schedule, unless it is for a former address of this host.
    A refusal backs off, and never waits less than the gateway asked for. A transient error is retried soon.

    Args:
        entry: its state after the failed round.
        now: monotonic seconds.
        longest: the longest delay after a transient error, in seconds.
    """
    if entry.dirty:
        return 0.0
    errors = [error for _, error in entry.refusals]
    error_lifetime = max((error.retry_after or 0 for error in errors), default=0)
    is_valid = entry.lease is not None and not entry.suspect and not entry.has_former_address
    if is_valid and entry.lease is not None and not entry.lease.permanent:
        renewal = renewal_delay(entry.lease.lifetime, entry.attempts, now - entry.granted_at)
        return max(renewal, error_lifetime)
    if not errors or any(isinstance(error, _TRANSIENT) for error in errors):
        return retry_delay(entry.attempts - 1, longest)
    return refusal_delay(entry.attempts - 1, error_lifetime)
