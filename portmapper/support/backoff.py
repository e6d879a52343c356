"""When to renew and when to try again; pure arithmetic, all in seconds."""

from __future__ import annotations

import random

MIN_RENEWAL_GAP = 4.0
"""RFC 6887 section 11.2.1: never less than 4 s between two renewals of one mapping."""

FIRST_RETRY = 1.0
REFUSAL_RETRY = 60.0
MAX_REFUSAL_RETRY = 900.0
JITTER = 0.25


def renewal_delay(lifetime: float, attempt: int, since_grant: float) -> float:
    """Return how long to wait before renewal number `attempt` (0 is the first) of a lease.

    RFC 6887 section 11.2.1: the first at a random point in [1/2, 5/8] of the lifetime, then in
    [3/4, 3/4 + 1/16], [7/8, 7/8 + 1/32] and so on. The random point spreads the renewals of
    mappings that were made together over an eighth of their life.

    Args:
        lifetime: as granted.
        attempt: how many renewals of this grant have failed.
        since_grant: seconds since the lease was granted.
    """
    left = 0.5 ** (attempt + 1)
    point = lifetime * (1 - left + random.uniform(0, left / 4))
    gap = MIN_RENEWAL_GAP if attempt else min(MIN_RENEWAL_GAP, lifetime / 2)
    return max(point - since_grant, gap)


def retry_delay(attempt: int, longest: float) -> float:
    """Return the wait before a gateway that failed is asked again: doubling, jittered by a quarter.

    It is never longer than `longest`: what nobody announces has to be found within an interval.
    """
    return min(_jittered(FIRST_RETRY * 2.0 ** min(attempt, 20)), longest * random.uniform(1 - JITTER, 1))


def refusal_delay(attempt: int, error_lifetime: float | None) -> float:
    """Return the wait before something that was refused is asked for again.

    `error_lifetime` is what the gateway itself said (RFC 6887 section 8.3), None when it did not.
    """
    backoff = _jittered(min(REFUSAL_RETRY * 2.0 ** min(attempt, 20), MAX_REFUSAL_RETRY))
    return max(backoff, error_lifetime) if error_lifetime else backoff


def restart_jitter(count: int, longest: float = 1.0) -> float:
    """Return a random delay that keeps `count` renewals after a restart from arriving as one burst.

    RFC 6887 section 8.5 lets clients wait up to 5 s so that thousands do not answer at once;
    behind a home router one second is enough, and a handful need not wait at all.
    """
    return random.uniform(0, min(longest, count / 500))


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)
