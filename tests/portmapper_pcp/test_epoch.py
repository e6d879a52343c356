"""Restarts detected from a gateway's clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper_pcp.epoch import Epoch, Rule, natpmp_restarted, pcp_restarted

RULES = pytest.mark.parametrize("rule", [pcp_restarted, natpmp_restarted])


@RULES
def test_the_first_epoch_means_nothing(rule: Rule) -> None:
    """There is no earlier epoch to compare it with."""
    assert not Epoch(rule).accept(5, 1000.0)


@RULES
def test_p11_an_epoch_that_advances_with_time_is_no_restart(rule: Rule) -> None:
    """A steady clock means that the gateway stayed up."""
    epoch = Epoch(rule)
    assert not any(epoch.accept(1000 + seconds, 50.0 + seconds) for seconds in (0, 1, 60, 3600, 90000))


@RULES
def test_p10_an_epoch_that_starts_over_is_one_restart(rule: Rule) -> None:
    """Only the first reply after it reports the restart."""
    epoch = Epoch(rule)
    epoch.accept(1000, 0.0)
    assert epoch.accept(1, 10.0)
    assert not epoch.accept(2, 11.0)


@pytest.mark.parametrize(
    ("server", "client", "restarted"),
    [
        (-1, 0, False),
        (-2, 0, True),
        (0, 2, False),
        (0, 3, True),
        (98, 100, False),
        (91.5, 100, True),
        (4, 2, False),
        (110, 100, True),
        (108, 100, False),
        (3600, 0, True),
    ],
)
def test_p10_pcp_rule(server: float, client: float, restarted: bool) -> None:
    """RFC 6887 section 8.5: at most 1 s back, and within 1/16 and 2 s of our clock in both directions."""
    assert pcp_restarted(server, client) is restarted


@pytest.mark.parametrize(
    ("server", "client", "restarted"),
    [
        (0, 2, False),
        (0, 3, True),
        (68, 80, False),
        (67, 80, True),
        (5000, 80, False),
        (-3, 0, True),
        (-2, 0, False),
    ],
)
def test_p10_natpmp_rule(server: float, client: float, restarted: bool) -> None:
    """RFC 6886 section 3.6: more than 2 s below 7/8 of the elapsed time; a fast clock is no restart."""
    assert natpmp_restarted(server, client) is restarted


def test_p12_an_announced_epoch_is_not_stored() -> None:
    """An announcement may be forged."""
    epoch = Epoch(pcp_restarted)
    epoch.accept(1000, 0.0)
    assert epoch.suggests_restart(5, 1.0)
    assert not epoch.accept(1001, 1.0)


def test_before_the_first_reply_no_announcement_is_a_hint() -> None:
    """There is no earlier epoch to compare it with."""
    assert not Epoch(pcp_restarted).suggests_restart(0, 0.0)


@RULES
def test_p12_a_second_restart_soon_after_the_first_is_a_hint(rule: Rule) -> None:
    """It is within the rules' tolerance of 2 s, so a reply could not reveal it."""
    epoch = Epoch(rule)
    epoch.accept(1, 0.0)
    assert epoch.suggests_restart(0, 1.0)
    assert not epoch.accept(0, 1.0)


@RULES
@given(seconds=st.floats(0.0, 100000.0))
def test_p11_an_announced_epoch_that_keeps_pace_is_no_hint(rule: Rule, seconds: float) -> None:
    """Rounding to whole seconds is no lag."""
    epoch = Epoch(rule)
    epoch.accept(1000, 0.0)
    assert not epoch.suggests_restart(1000 + int(seconds), seconds)


@RULES
@given(pace=st.floats(0.95, 1.05), steps=st.lists(st.floats(0.0, 5000.0), max_size=30))
def test_p11_a_clock_that_drifts_a_little_never_restarts(rule: Rule, pace: float, steps: list[float]) -> None:
    """Whole seconds and a drift of 5 % are within both rules."""
    epoch, now = Epoch(rule), 0.0
    for step in steps:
        now += step
        assert not epoch.accept(int(now * pace), now)


@pytest.mark.parametrize(
    ("announced", "after", "repeats"),
    [(3, 0.0, True), (4, 1.0, True), (11, 8.9, True), (0, 5.0, False), (3, 1.5, False)],
)
def test_an_announcement_of_a_known_start_is_a_repetition(
    announced: int, after: float, repeats: bool
) -> None:
    """A gateway that started three seconds before the first reply repeats its announcements."""
    epoch = Epoch(pcp_restarted)
    epoch.accept(3, 1000.0)
    assert epoch.repeats(announced, 1000.0 + after) is repeats


def test_an_epoch_that_counts_from_another_start_shows_no_repetition() -> None:
    """With the uptime of the whole device as epoch, only the announcement shows a restart."""
    epoch = Epoch(pcp_restarted)
    epoch.accept(5000, 1000.0)
    assert not epoch.repeats(5001, 1001.0)
    assert not Epoch(pcp_restarted).repeats(3, 1000.0)
