"""The summary, and the reasons of mappings that are not open."""

from __future__ import annotations

from typing import Any

import pytest
from status_documents import GATEWAY, REASON, RUNNING, mapping, pinhole, problem

from portmapper.observability.summary import mappings_with_reason, summary_document

PUBLIC = "11.22.33.44"
OPEN = mapping(external_address=PUBLIC)
UNKNOWN = {**GATEWAY, "external_address": None}


def document(**changes: Any) -> dict[str, Any]:
    """Return a status document."""
    return {**RUNNING, "gateways": [UNKNOWN], "problems": [], "faults": [], "error": None, **changes}


def test_mappings_and_rejected_rows_are_counted_separately() -> None:
    """41 mappings, of which one is refused; rejected rows are no mappings."""
    source = {**RUNNING["sources"][0], "rejected": [{"where": "line 3", "reason": "no"}]}
    mappings = [*[OPEN] * 40, problem(9000)]
    assert summary_document(document(mappings=mappings, sources=[source])) == {
        "open": 40,
        "wanted": 41,
        "rejected": 1,
        "external_address": PUBLIC,
        "external_kind": "public",
        "reachable": True,
        "problems": 0,
    }


@pytest.mark.parametrize(
    ("gateways", "mappings", "address", "kind", "reachable"),
    [
        ([], [], None, "none", False),
        ([{**GATEWAY, "external_address": PUBLIC}], [], PUBLIC, "public", True),
        ([{**GATEWAY, "external_address": "100.64.0.9"}], [], "100.64.0.9", "cgnat", False),
        ([{**GATEWAY, "external_address": "10.0.0.9"}], [], "10.0.0.9", "private", False),
        ([UNKNOWN], [OPEN], PUBLIC, "public", True),
        ([UNKNOWN], [pinhole(1), OPEN], PUBLIC, "public", True),
        ([UNKNOWN], [problem(1)], None, "none", False),
        ([], [OPEN], PUBLIC, "public", False),
    ],
)
def test_reachable_needs_a_gateway_with_a_public_address(
    gateways: list[Any], mappings: list[Any], address: str | None, kind: str, reachable: bool
) -> None:
    """Of an open port, or else of the gateway."""
    summary = summary_document(document(gateways=gateways, mappings=mappings))
    found = (summary["external_address"], summary["external_kind"], summary["reachable"])
    assert found == (address, kind, reachable)


def test_a_mapping_that_is_not_open_has_a_reason() -> None:
    """Its error, or what it waits for; all other keys are those of the status."""
    pending = problem(2, "pending", None)
    mappings = [mapping(1), problem(3), pending]
    found = mappings_with_reason(document(mappings=mappings))
    assert [entry["reason"] for entry in found] == [None, REASON, "waiting for the gateway's answer"]
    assert [{k: v for k, v in entry.items() if k != "reason"} for entry in found] == mappings
    (waiting,) = mappings_with_reason(document(mappings=[pending], gateways=[]))
    assert waiting["reason"] == "no gateway answered yet"
