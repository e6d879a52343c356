"""Conditions, status and annotations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from portmapper_kubernetes.cluster import Cluster
from portmapper_kubernetes.conditions import State, states_of
from portmapper_kubernetes.decision import Verdict, decide
from portmapper_kubernetes.objects import read_port_mapping
from portmapper_kubernetes.rejections import DeniedByPolicy, PortTaken
from portmapper_kubernetes.reports import event_of, mapping_status, service_report

from .conftest import port_mapping

OWN = frozenset({"192.168.88.11"})
GATEWAYS = [{"address": "192.168.88.1"}]


def _document(**changes: Any) -> dict[str, Any]:
    mapping = {
        "origin": "portmapping/shop/game",
        "protocol": "TCP",
        "family": "ipv4",
        "internal_address": "192.168.88.11",
        "internal_port": 7777,
        "wanted_external_port": 7777,
        "external_address": "203.0.113.7",
        "external_port": 7777,
        "state": "active",
        "backend": "pcp",
        "gateway": "192.168.88.1",
        "error": None,
        "expires_at": "2026-01-01T00:00:00+00:00",
        **changes,
    }
    return {"gateways": GATEWAYS, "mappings": [mapping]}


def _state(status: dict[str, Any] | None = None) -> State:
    (verdict,) = decide(Cluster({}, frozenset()), [read_port_mapping(port_mapping())])
    (state,) = states_of([verdict], status or _document(), OWN)
    return state


def _reasons(state: State) -> list[tuple[str, str, str]]:
    return [(c.kind, c.status, c.reason) for c in state.conditions]


def test_an_open_port_is_granted() -> None:
    """Without a probe, it is unknown whether it is reachable."""
    assert _reasons(_state()) == [
        ("Accepted", "True", "Accepted"),
        ("Open", "True", "Granted"),
        ("Reachable", "Unknown", "NotProbed"),
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "pending"}, "Pending"),
        ({"state": "conflict", "error": "192.168.88.9 holds it"}, "Conflict"),
        ({"state": "refused", "error": "not authorized"}, "Refused"),
        ({"state": "refused", "internal_address": "192.168.88.50"}, "GatewayRefusesOtherHosts"),
        ({"state": "failed"}, "Refused"),
        ({"state": "waiting", "error": "opens Sat 18:00"}, "Waiting"),
        ({"state": "paused", "error": "paused"}, "Paused"),
    ],
)
def test_the_reason_why_a_port_is_not_open(changes: dict[str, Any], reason: str) -> None:
    """The message has the port and the daemon's reason."""
    state = _state(_document(**changes))
    assert _reasons(state)[1] == ("Open", "False", reason)
    if changes.get("error"):
        assert state.conditions[1].message == f"7777/tcp: {changes['error']}"


def test_without_a_gateway_the_reason_says_so() -> None:
    """It is more useful than "pending"."""
    status = {**_document(state="pending"), "gateways": []}
    assert _reasons(_state(status))[1] == ("Open", "False", "NoGateway")


def test_a_port_that_the_daemon_does_not_list_yet_is_pending() -> None:
    """The row may still be on its way."""
    assert _reasons(_state({"gateways": GATEWAYS, "mappings": []}))[1][2] == "Pending"


def _probed(*states: str) -> dict[str, Any]:
    """Return a status document with one port for each result of a probe; empty text for none."""
    ports = []
    for number, state in enumerate(states):
        reachable = {"state": state, "at": f"2026-01-01T00:00:0{number}Z", "reason": "because"}
        port = _document(wanted_external_port=7777 + number, reachable=reachable if state else None)
        ports += port["mappings"]
    return {"gateways": GATEWAYS, "mappings": ports}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("yes",), ("True", "Answered", "")),
        (("yes", ""), ("True", "Answered", "")),
        (("no",), ("False", "NoAnswer", "7777/tcp: because")),
        (("yes", "unknown", "no"), ("False", "NoAnswer", "7779/tcp: because")),
        (("yes", "unknown"), ("Unknown", "NotProven", "7778/tcp: because")),
        (("",), ("Unknown", "NotProbed", "no probe from outside has checked the port")),
    ],
)
def test_reachable_is_the_worst_result_of_the_probes(
    states: tuple[str, ...], expected: tuple[str, str, str]
) -> None:
    """The message names the port."""
    condition = _state(_probed(*states)).conditions[2]
    assert (condition.status, condition.reason, condition.message) == expected


def test_another_probe_with_the_same_result_changes_nothing() -> None:
    """Otherwise each probe would cause a write."""
    first, second = _probed("yes"), _probed("yes")
    second["mappings"][0]["reachable"]["at"] = "2027-01-01T00:00:00Z"
    before = mapping_status(_state(first), {})
    assert mapping_status(_state(second), before) == before
    assert service_report(_state(first)) == service_report(_state(second))


def test_a_service_shows_the_result_of_each_port() -> None:
    """The reason in the annotation is that of the first condition that is false."""
    report = json.loads(service_report(_state(_probed("yes", "no"))))
    assert [port["reachable"] for port in report["ports"]] == ["yes", "no"]
    assert (report["Reachable"], report["reason"]) == ("False", "NoAnswer")
    verdict = Verdict(_state().verdict.reference, 0, rejection=DeniedByPolicy("because"))
    (state,) = states_of([verdict], {"gateways": GATEWAYS, "mappings": []}, OWN)
    report = json.loads(service_report(state))
    assert (report["reason"], report["message"]) == ("DeniedByPolicy", "because")


@pytest.mark.parametrize("kind", [DeniedByPolicy, PortTaken])
def test_a_rejection_is_the_reason_of_accepted(kind: type[Any]) -> None:
    """The object asks for nothing, so nothing is open."""
    verdict = Verdict(_state().verdict.reference, 1, rejection=kind("because"))
    (state,) = states_of([verdict], _document(), OWN)
    assert _reasons(state)[0] == ("Accepted", "False", kind.__name__)
    assert state.conditions[0].message == "because"
    assert state.conditions[1].status == "False"


def test_a_renewal_changes_nothing() -> None:
    """Otherwise each renewal would cause a write."""
    before = mapping_status(_state(), {})
    renewed = _state(_document(expires_at="2027-01-01T00:00:00+00:00"))
    assert mapping_status(renewed, before) == before


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    """A change of another condition does not matter."""
    before = mapping_status(_state(), {})
    for condition in before["conditions"]:
        condition["lastTransitionTime"] = "2020-01-01T00:00:00Z"
    after = mapping_status(_state(_document(state="conflict")), before)
    times = {c["type"]: c["lastTransitionTime"] for c in after["conditions"]}
    assert times["Accepted"] == times["Reachable"] == "2020-01-01T00:00:00Z"
    assert times["Open"] > "2025"


def test_the_status_has_what_status_shows() -> None:
    """External address and port, the internal host, the gateway and the protocol."""
    status = mapping_status(_state(), {})
    assert status["externalAddress"] == "203.0.113.7"
    assert status["externalPort"] == 7777
    assert status["internalAddress"] == "192.168.88.11"
    assert status["gateway"] == "192.168.88.1"
    assert status["protocolUsed"] == "pcp"
    assert status["observedGeneration"] == 1


def test_the_annotation_of_a_service_is_short_json() -> None:
    """One line, with the external endpoints."""
    report = json.loads(service_report(_state()))
    assert report["ports"] == [
        {"port": 7777, "protocol": "TCP", "state": "open", "external": "203.0.113.7:7777"}
    ]
    assert report["Open"] == "True"


def test_a_port_that_waits_for_its_schedule_is_no_warning() -> None:
    """Its author wants it closed."""
    state = _state(_document(state="waiting", error="opens Sat 18:00"))
    assert event_of(state, state.conditions[1], "node-a")["type"] == "Normal"


def test_an_event_names_the_object_and_the_reason() -> None:
    """Within the limits of the API: a note has at most 1,024 bytes."""
    state = _state(_document(state="conflict", error="x" * 5000))
    event = event_of(state, state.conditions[1], "node-a")
    assert event["regarding"]["name"] == "game"
    assert event["reason"] == "Conflict"
    assert event["type"] == "Warning"
    assert len(event["note"]) <= 1024
