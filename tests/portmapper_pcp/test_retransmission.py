"""The schedule of retransmissions."""

from __future__ import annotations

import pytest

from portmapper_pcp.retransmission import PCP_JITTER, PROBE_LIMIT, REQUEST_LIMIT, delays


def test_p7_natpmp_delays_double_from_a_quarter_second() -> None:
    """Nine sends, as in RFC 6886 section 3.1, within the limit of a request."""
    assert list(delays(REQUEST_LIMIT)) == [0.25, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.25]


def test_urgent_delays_double_from_a_hundredth_to_a_tenth_of_a_second() -> None:
    """A lost packet must not keep a port closed that the other protocol's renewal closed."""
    found = list(delays(REQUEST_LIMIT, urgent=True))
    assert found[:6] == [0.01, 0.02, 0.04, 0.08, 0.1, 0.1]
    assert max(found[:-1]) == 0.1
    assert sum(found) == pytest.approx(REQUEST_LIMIT)


def test_p7_pcp_delays_are_jittered() -> None:
    """RFC 6887 section 8.1.1: each delay is up to a tenth shorter or longer, at random."""
    first = [next(delays(REQUEST_LIMIT, PCP_JITTER)) for _ in range(50)]
    assert all(0.225 <= wait <= 0.275 for wait in first)
    assert len(set(first)) > 1


@pytest.mark.parametrize("limit", [PROBE_LIMIT, REQUEST_LIMIT])
@pytest.mark.parametrize("jitter", [0.0, PCP_JITTER])
def test_delays_add_up_to_the_limit(limit: float, jitter: float) -> None:
    """None of them is too short for an answer."""
    found = list(delays(limit, jitter))
    assert sum(found) == pytest.approx(limit)
    assert min(found) >= 0.2
