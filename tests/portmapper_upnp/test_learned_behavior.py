"""Refusals that are remembered across runs."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.learning import MAX_LEARNED
from portmapper_upnp.behavior import DAY, DeviceBehavior
from portmapper_upnp.learned_behavior import REMEMBERED, LearnedBehavior

DEVICE = "Linux/5.4 UPnP/1.1 ACME/2.3|R1|uuid:1"


class Place:
    """The place of one gateway in the store."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.writes = 0

    def read(self) -> str:
        """Return the text."""
        return self.text

    def write(self, text: str) -> None:
        """Replace the text."""
        assert len(text) <= MAX_LEARNED
        self.text = text
        self.writes += 1


def test_refusals_are_read_again_and_observations_are_not() -> None:
    """Whether the gateway shows its entries is observed again in each run."""
    place = Place()
    refusals = DeviceBehavior(
        permanent_only=True,
        longest_lease=DAY,
        shortest_lease=60,
        any_host="*",
        plain_comments=True,
        tiny_comments=True,
        no_any_port=True,
    )
    LearnedBehavior(place, DEVICE).write(refusals)
    assert LearnedBehavior(place, DEVICE).read() == refusals
    LearnedBehavior(place, DEVICE).write(DeviceBehavior(hides_entries=True, shows_entries=True))
    assert LearnedBehavior(place, DEVICE).read() == refusals


def test_only_changes_are_written() -> None:
    """Each renewal calls it. A contradicted refusal is forgotten."""
    place = Place()
    learned = LearnedBehavior(place, DEVICE)
    learned.write(DeviceBehavior())
    assert place.writes == 0
    for _ in range(3):
        learned.write(DeviceBehavior(permanent_only=True))
    assert place.writes == 1
    again = LearnedBehavior(place, DEVICE)
    assert again.read().permanent_only
    again.write(DeviceBehavior())
    assert not LearnedBehavior(place, DEVICE).read().permanent_only


def test_refusals_of_another_device_and_old_ones_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The router was replaced or updated, or the cause may be gone."""
    place = Place()
    LearnedBehavior(place, DEVICE).write(DeviceBehavior(permanent_only=True))
    assert LearnedBehavior(place, "another").read() == DeviceBehavior()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + REMEMBERED + 1)
    assert LearnedBehavior(place, DEVICE).read() == DeviceBehavior()


@given(st.one_of(st.text(max_size=50), st.recursive(st.none(), st.lists).map(json.dumps)))
def test_a_damaged_text_means_that_nothing_is_known(text: str) -> None:
    """Nothing in the store can end a run."""
    assert LearnedBehavior(Place(text), DEVICE).read() == DeviceBehavior()


@pytest.mark.parametrize("longest", [-1, 0, 10**9, "60", True, None, 1.5])
def test_an_impossible_lease_limit_is_not_used(longest: object) -> None:
    """It would make every request invalid."""
    text = json.dumps({"device": DEVICE, "at": time.time(), "longest_lease": longest})
    assert LearnedBehavior(Place(text), DEVICE).read().longest_lease is None
