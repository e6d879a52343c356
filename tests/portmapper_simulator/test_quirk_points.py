"""Registration and application of quirks."""

from __future__ import annotations

import pytest

from portmapper_simulator import gateway_points, quirk_points, udp_points, upnp_points
from portmapper_simulator.quirk_points import QuirkPoint
from portmapper_simulator.quirks import QUIRKS


def test_every_quirk_is_described_and_acts_somewhere() -> None:
    """Every name has an effect and a description."""
    names = vars(gateway_points) | vars(udp_points) | vars(upnp_points)
    every = [point for point in names.values() if isinstance(point, QuirkPoint)]
    acting = {name for point in every for name in (*point._changes, *point._bundles.values())}
    assert acting == set(QUIRKS)
    assert all(point._bundles.keys() <= point._changes.keys() for point in every)
    assert all(len(line) < 100 for line in QUIRKS.values())


def test_a_value_is_unchanged_without_quirks() -> None:
    """The gateway then behaves as the standards say."""
    point = QuirkPoint[int]()
    point.quirk("double")(lambda value: value * 2)
    assert point.apply(set(), 3) == 3
    assert point.apply({"another"}, 3) == 3


def test_active_quirks_apply_in_the_order_of_their_registration() -> None:
    """The order of the names on the command line does not matter."""
    point = QuirkPoint[int]()
    point.quirk("double")(lambda value: value * 2)
    point.quirk("increment")(lambda value: value + 1)
    assert point.apply(["increment", "double"], 3) == 7


def test_a_bundle_activates_its_quirks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One name can stand for several quirks."""
    monkeypatch.setattr(quirk_points, "QUIRKS", {})
    point = QuirkPoint[int]()
    point.quirk("double")(lambda value: value * 2)
    point.quirk("increment")(lambda value: value + 1)
    point.bundle("both", "doubles and increments", "double", "increment")
    assert point.apply({"both"}, 3) == 7
    assert quirk_points.QUIRKS == {"both": "doubles and increments"}
