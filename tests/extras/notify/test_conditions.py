"""Messages for changes between status documents."""

from __future__ import annotations

from typing import Any

import pytest
from portmapper_notify.conditions import Conditions
from portmapper_notify.settings import KINDS


def row(state: str, **more: Any) -> dict[str, Any]:
    """Return a mapping of the status document."""
    fields = {"protocol": "TCP", "family": "ipv4", "wanted_external_port": 8080, "internal_port": 80}
    return {**fields, "comment": "web", "state": state, "error": "refused by the gateway", **more}


def after(delay: float, **others: float) -> Conditions:
    """Return conditions that all wait this long, except for others."""
    return Conditions({**dict.fromkeys(KINDS, 0.0), "closed": delay, "list": delay, **others})


def texts(conditions: Conditions, now: float, **document: Any) -> list[str]:
    """Return the texts of the messages."""
    return [message.text for message in conditions.compare(document, now)]


def test_a_port_that_stays_closed_is_reported_once_and_when_it_is_open_again() -> None:
    """A short interruption is not reported."""
    conditions = after(300)
    assert texts(conditions, 0, mappings=[row("failed")]) == []
    assert texts(conditions, 200, mappings=[row("active")]) == []
    assert texts(conditions, 250, mappings=[row("failed")]) == []
    assert texts(conditions, 551, mappings=[row("conflict")]) == [
        "8080/tcp (web) is closed for more than 5m 0s: refused by the gateway"
    ]
    assert texts(conditions, 900, mappings=[row("failed")]) == []
    assert texts(conditions, 901, mappings=[row("active")]) == ["8080/tcp (web) is open again"]
    assert texts(conditions, 902, mappings=[row("active")]) == []


def test_a_row_that_is_paused_or_gone_is_not_closed() -> None:
    """It is not desired."""
    conditions = after(0)
    assert texts(conditions, 0, mappings=[row("paused"), row("waiting")]) == []
    assert len(texts(conditions, 1, mappings=[row("failed")])) == 1
    assert texts(conditions, 2, mappings=[]) == []
    assert texts(conditions, 3, mappings=[row("active")]) == []


def test_a_new_external_address_and_cgnat_are_reported() -> None:
    """The first address is no change, and an unknown one is none either."""
    conditions = after(0)

    def gateway(address: str | None, kind: str) -> list[dict[str, Any]]:
        return [{"address": "192.168.1.1", "external_address": address, "external_kind": kind}]

    assert texts(conditions, 0, gateways=gateway("203.0.113.7", "public")) == []
    assert texts(conditions, 1, gateways=gateway(None, "none")) == []
    assert texts(conditions, 2, gateways=gateway("203.0.113.8", "public")) == [
        "the external address changed from 203.0.113.7 to 203.0.113.8"
    ]
    assert texts(conditions, 3, gateways=gateway("100.64.0.9", "cgnat")) == [
        "the external address changed from 203.0.113.8 to 100.64.0.9",
        "100.64.0.9 is behind CGNAT now: only the provider can open ports",
    ]
    assert texts(conditions, 4, gateways=gateway("100.64.0.9", "cgnat")) == []


def test_an_unreadable_list_is_reported_once_and_when_it_is_readable_again() -> None:
    """The last valid list stays in effect."""
    conditions = after(10)
    bad = [{"location": "ports.csv", "state": "stale", "error": "no such file"}]
    assert texts(conditions, 0, sources=bad) == []
    assert texts(conditions, 10, sources=bad) == ["the list ports.csv is unreadable: no such file"]
    good = [{**bad[0], "state": "ok"}]
    assert texts(conditions, 11, sources=good) == ["the list ports.csv is readable again"]


def test_each_kind_has_its_own_delay() -> None:
    """A port that opens and closes again and again, or an address that changes twice, is one message."""
    conditions = after(0, open=60, address=30, cgnat=0)
    assert len(texts(conditions, 0, mappings=[row("failed")])) == 1
    assert texts(conditions, 10, mappings=[row("active")]) == []
    assert texts(conditions, 20, mappings=[row("failed")]) == []
    assert texts(conditions, 30, mappings=[row("active")]) == []
    assert texts(conditions, 90, mappings=[row("active")]) == ["8080/tcp (web) is open again"]

    def gateway(address: str) -> list[dict[str, Any]]:
        return [{"address": "192.168.1.1", "external_address": address, "external_kind": "public"}]

    assert [texts(conditions, now, gateways=gateway(f"203.0.113.{last}")) for now, last in ((0, 1), (1, 2))]
    assert texts(conditions, 20, gateways=gateway("203.0.113.3")) == []
    assert texts(conditions, 50, gateways=gateway("203.0.113.3")) == [
        "the external address changed from 203.0.113.1 to 203.0.113.3"
    ]


def test_a_kind_that_is_off_is_never_reported_and_never_ends() -> None:
    """`open` is the end of `closed`."""
    conditions = Conditions({"open": 0.0})
    assert texts(conditions, 0, mappings=[row("failed")]) == []
    assert texts(conditions, 9e9, mappings=[row("failed")]) == []
    assert texts(conditions, 9e9, mappings=[row("active")]) == []


def restarted(conditions: Conditions, **delays: float) -> Conditions:
    """Return the conditions of the next run, whose clock begins again."""
    import json

    new = after(300, **delays)
    new.restore(json.loads(json.dumps(conditions.snapshot())))
    return new


def test_what_was_reported_before_a_restart_is_not_repeated_and_ends_afterwards() -> None:
    """At first the list is not read, and then its ports are pending."""
    before = after(300)
    before.compare({"mappings": [row("failed")]}, 0)
    assert len(before.compare({"mappings": [row("failed")]}, 300)) == 1
    source = {"location": "ports.csv", "state": "ok", "error": None}
    conditions = restarted(before)
    assert texts(conditions, 0) == []
    assert texts(conditions, 1, mappings=[row("pending")], sources=[source]) == []
    assert texts(conditions, 900, mappings=[row("pending")], sources=[source]) == []
    assert texts(conditions, 901, mappings=[row("active")]) == ["8080/tcp (web) is open again"]


def test_a_row_that_left_the_list_during_a_restart_is_forgotten() -> None:
    """Once every list is read."""
    before = after(0)
    assert len(before.compare({"mappings": [row("failed")]}, 0)) == 1
    source = {"location": "ports.csv", "state": "ok", "error": None}
    conditions = restarted(before)
    assert texts(conditions, 1, sources=[source]) == []
    assert conditions.snapshot() == []


def test_a_short_interruption_before_a_restart_begins_anew() -> None:
    """Ports are closed while the daemon restarts, which is no news."""
    before = after(300)
    before.compare({"mappings": [row("failed")]}, 0)
    conditions = restarted(before)
    assert texts(conditions, 0, mappings=[row("pending")]) == []
    assert texts(conditions, 299, mappings=[row("pending")]) == []


def test_a_change_of_the_address_during_a_restart_is_reported() -> None:
    """It is compared with the last address of the earlier run."""

    def gateway(address: str, kind: str) -> dict[str, Any]:
        return {"address": "192.168.1.1", "external_address": address, "external_kind": kind}

    before = after(0)
    before.compare({"gateways": [gateway("203.0.113.7", "public")]}, 0)
    assert texts(restarted(before), 0, gateways=[gateway("100.64.0.9", "cgnat")]) == [
        "the external address changed from 203.0.113.7 to 100.64.0.9",
        "100.64.0.9 is behind CGNAT now: only the provider can open ports",
    ]


@pytest.mark.parametrize(
    "kept",
    [
        None,
        5,
        {},
        [1],
        [[]],
        [["port"], True],
        [[["port", []], True]],
        [[["port", 1.5], True]],
        [[[1], True]],
    ],
)
def test_a_damaged_snapshot_is_ignored(kept: object) -> None:
    """Nothing of it is kept."""
    conditions = after(0)
    conditions.restore(kept)
    assert conditions.snapshot() == []
