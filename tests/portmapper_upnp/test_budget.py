"""The limit on received packets."""

from __future__ import annotations

from portmapper_upnp.budget import Budget


def test_a_flood_is_dropped_beyond_its_budget():
    """Each second allows a limited number of packets."""
    budget = Budget(per_second=3)
    assert [budget.allows(10.0) for _ in range(5)] == [True, True, True, False, False]
    assert budget.allows(11.0)
