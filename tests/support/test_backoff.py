"""Delays before renewals and retries stay within their bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.support.backoff import (
    MAX_REFUSAL_RETRY,
    MIN_RENEWAL_GAP,
    refusal_delay,
    renewal_delay,
    restart_jitter,
    retry_delay,
)

lifetimes = st.floats(100, 2**32)
attempts = st.integers(0, 2000)


@pytest.mark.parametrize(
    ("attempt", "earliest", "latest"),
    [
        (0, 1 / 2, 5 / 8),
        (1, 3 / 4, 3 / 4 + 1 / 16),
        (2, 7 / 8, 7 / 8 + 1 / 32),
        (3, 15 / 16, 15 / 16 + 1 / 64),
    ],
)
@given(lifetime=lifetimes)
def test_renewals_are_scheduled_as_in_the_rfc(
    lifetime: float, attempt: int, earliest: float, latest: float
) -> None:
    """RFC 6887 section 11.2.1, counted from the time of the grant."""
    delay = renewal_delay(lifetime, attempt, 0.0)
    assert earliest * lifetime <= delay <= latest * lifetime * (1 + 1e-9)


@given(lifetime=lifetimes, attempt=attempts, age=st.floats(0, 2**33))
def test_two_renewals_are_never_less_than_four_seconds_apart(
    lifetime: float, attempt: int, age: float
) -> None:
    """Even if the renewal is overdue."""
    assert renewal_delay(lifetime, attempt, age) >= MIN_RENEWAL_GAP


@given(lifetime=st.floats(1, 8))
def test_the_shortest_leases_are_renewed_before_they_end(lifetime: float) -> None:
    """The first renewal of a lease of a few seconds is not delayed by the minimum gap."""
    assert lifetime / 2 <= renewal_delay(lifetime, 0, 0.0) <= lifetime * 5 / 8


@given(attempt=attempts, longest=st.floats(1, 86400))
def test_a_retry_is_neither_immediate_nor_later_than_the_limit(attempt: int, longest: float) -> None:
    """This includes the jitter."""
    assert 0.75 <= retry_delay(attempt, longest) <= longest


@given(attempt=attempts, requested=st.one_of(st.none(), st.floats(0, 86400)))
def test_a_refused_request_is_retried_rarely_and_not_before_the_requested_time(
    attempt: int, requested: float | None
) -> None:
    """Between 45 s and about 19 minutes, or later if the gateway requests it."""
    delay = refusal_delay(attempt, requested)
    assert delay >= max(45, requested or 0)
    assert delay <= max(MAX_REFUSAL_RETRY * 1.25, requested or 0)


@given(count=st.integers(0, 100_000))
def test_renewals_after_a_restart_are_jittered_over_at_most_a_second(count: int) -> None:
    """With a few mappings the delay is close to zero."""
    assert 0 <= restart_jitter(count) <= min(1.0, count / 500)
