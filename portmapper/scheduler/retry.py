"""How long an entry that nobody granted waits for its next round; pure."""

from __future__ import annotations

from portmapper.api.errors import GatewayRestarted, GatewayTimeout, NetworkFailure
from portmapper.scheduler.lease_state import LeaseState
from portmapper.support.backoff import refusal_delay, renewal_delay, retry_delay

_PASSING = NetworkFailure | GatewayTimeout | GatewayRestarted
"""What says nothing of the next attempt; a rule's no, a conflict or a full table stay for a while."""


def delay_after_failure(entry: LeaseState, now: float, longest: float) -> float:
    """Return the seconds until the next round.

    A lease that still stands keeps its renewals' rhythm, unless it leads to an address that this host has
    no longer; a refusal waits as long as the gateway said, or ever longer; what may pass at any moment is
    tried soon.

    Args:
        entry: after a round that brought nothing.
        now: monotonic seconds.
        longest: seconds; what may pass waits no longer.
    """
    if entry.again:
        return 0.0
    errors = [error for _, error in entry.refusals]
    error_lifetime = max((error.retry_after or 0 for error in errors), default=0)
    stands = entry.lease is not None and not entry.suspect and not entry.is_of_former_address
    if stands and entry.lease is not None and not entry.lease.permanent:
        renewal = renewal_delay(entry.lease.lifetime, entry.attempts, now - entry.granted_at)
        return max(renewal, error_lifetime)
    if not errors or any(isinstance(error, _PASSING) for error in errors):
        return retry_delay(entry.attempts - 1, longest)
    return refusal_delay(entry.attempts - 1, error_lifetime)
