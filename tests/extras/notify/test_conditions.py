"""Messages for changes between status documents."""

from __future__ import annotations

from typing import Any

from portmapper_notify.conditions import Conditions


def row(state: str, **more: Any) -> dict[str, Any]:
    """Return a mapping of the status document."""
    fields = {"protocol": "TCP", "family": "ipv4", "wanted_external_port": 8080, "internal_port": 80}
    return {**fields, "comment": "web", "state": state, "error": "refused by the gateway", **more}


def texts(conditions: Conditions, now: float, **document: Any) -> list[str]:
    """Return the texts of the messages."""
    return [message.text for message in conditions.compare(document, now)]


def test_a_port_that_stays_closed_is_reported_once_and_when_it_is_open_again() -> None:
    """A short interruption is not reported."""
    conditions = Conditions(300)
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
    conditions = Conditions(0)
    assert texts(conditions, 0, mappings=[row("paused"), row("waiting")]) == []
    assert len(texts(conditions, 1, mappings=[row("failed")])) == 1
    assert texts(conditions, 2, mappings=[]) == []
    assert texts(conditions, 3, mappings=[row("active")]) == []


def test_a_new_external_address_and_cgnat_are_reported() -> None:
    """The first address is no change, and an unknown one is none either."""
    conditions = Conditions(0)

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
    conditions = Conditions(10)
    bad = [{"location": "ports.csv", "state": "stale", "error": "no such file"}]
    assert texts(conditions, 0, sources=bad) == []
    assert texts(conditions, 10, sources=bad) == ["the list ports.csv is unreadable: no such file"]
    good = [{**bad[0], "state": "ok"}]
    assert texts(conditions, 11, sources=good) == ["the list ports.csv is readable again"]
