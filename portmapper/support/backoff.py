"""Delays before renewals and retries, in seconds. Pure arithmetic."""

from __future__ import annotations

import random

MIN_RENEWAL_GAP = 4.0
"""RFC 6887 section 11.2.1: at least 4 s between two renewals of one mapping."""

FIRST_RETRY = 1.0
REFUSAL_RETRY = 60.0
MAX_REFUSAL_RETRY = 900.0
JITTER = 0.25


def renewal_delay(lifetime: float, attempt: int, since_grant: float) -> float:
    """Return the delay before renewal number `attempt` of a lease, starting at 0.

    RFC 6887 section 11.2.1: renew at a random point in [1/2, 5/8] of the lifetime, then in
    [3/4, 3/4 + 1/16], [7/8, 7/8 + 1/32] and so on. The jitter distributes the renewals of mappings
    that were opened together over an eighth of their lifetime.

    Args:
        lifetime: the granted lifetime.
        attempt: number of failed renewals of this lease.
        since_grant: seconds since the lease was granted.
    """
    left = 0.5 ** (attempt + 1)
    point = lifetime * (1 - left + random.uniform(0, left / 4))
    gap = MIN_RENEWAL_GAP if attempt else min(MIN_RENEWAL_GAP, lifetime / 2)
    return max(point - since_grant, gap)


def retry_delay(attempt: int, longest: float) -> float:
    """Return the delay before a retry after a failure: exponential backoff with 25 % jitter.

    It never exceeds `longest`, so a gateway that returns without an announcement is found within that time.
    """
    return min(_jittered(FIRST_RETRY * 2.0 ** min(attempt, 20)), longest * random.uniform(1 - JITTER, 1))


def refusal_delay(attempt: int, error_lifetime: float | None) -> float:
    """Return the delay before a retry after a refusal.

    `error_lifetime` is the delay that the gateway requested (RFC 6887 section 8.3), None if it gave none.
    """
    backoff = _jittered(min(REFUSAL_RETRY * 2.0 ** min(attempt, 20), MAX_REFUSAL_RETRY))
    return max(backoff, error_lifetime) if error_lifetime else backoff


def restart_jitter(count: int, longest: float = 1.0) -> float:
    """Return a random delay, so that `count` renewals after a restart do not arrive in one burst.

    RFC 6887 section 8.5 lets clients wait up to 5 s, because a gateway may have thousands of clients.
    Behind a home router, one second is enough, and a few mappings need almost no delay.
    """
    return random.uniform(0, min(longest, count / 500))


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)
