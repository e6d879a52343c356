"""The status document as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from portmapper.cli.tables import COMMENT_LENGTH, print_status, render

MAPPING = {
    "protocol": "TCP",
    "internal_address": "192.168.88.10",
    "internal_port": 80,
    "wanted_external_port": 8080,
    "external_address": "203.0.113.7",
    "external_port": 8080,
    "state": "active",
    "backend": "pcp",
    "gateway": "192.168.88.1",
    "permanent": False,
    "renews_at": None,
    "comment": "web",
    "error": None,
}


def shown(**parts: Any) -> str:
    """Return the text of a status document on a terminal of 80 columns."""
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(render({"mappings": [], "gateways": [], "sources": [], **parts}))
    return capture.get()


def test_a_mapping_is_one_row() -> None:
    """It has both endpoints, the state, the backend and the comment."""
    words = shown(mappings=[MAPPING]).splitlines()[1].split()
    assert words == ["TCP", "192.168.88.10:80", "203.0.113.7:8080", "active", "pcp", "-", "web"]


def test_the_gateway_is_shown_if_there_are_several() -> None:
    """It is on a second line, below the backend."""
    assert "192.168.88.1 " not in shown(mappings=[MAPPING])
    other = {**MAPPING, "gateway": "192.168.88.2"}
    assert "192.168.88.2" in shown(mappings=[MAPPING, other])


def test_the_reason_of_a_problem_is_shown() -> None:
    """It is on its own line, with the desired port."""
    conflict = {**MAPPING, "state": "conflict", "error": "192.168.88.11 holds it"}
    assert "TCP 8080: 192.168.88.11 holds it" in shown(mappings=[conflict])


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0:00"), (59.5, "0:59"), (3599.5, "59:59"), (7325.5, "2:02:05")]
)
def test_the_time_until_the_renewal_is_shown(seconds: float, text: str) -> None:
    """An overdue renewal is shown as zero."""
    at = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    assert text in shown(mappings=[{**MAPPING, "renews_at": at}]).split()


def test_a_permanent_lease_has_no_renewal() -> None:
    """It is only checked."""
    assert "checked" in shown(mappings=[{**MAPPING, "permanent": True}])


def test_comments_are_cut_and_cleaned() -> None:
    """They come from lists: they may be long and contain escape sequences."""
    text = shown(mappings=[{**MAPPING, "comment": "\x1b[2J" + "x" * 500}])
    assert "\x1b" not in text
    assert text.count("x") <= COMMENT_LENGTH


def test_gateways_sources_faults_and_the_store_are_shown() -> None:
    """Sources are shown only if they have an error or rejected rows."""
    gateway = {"protocol": "PCP 2", "address": "192.168.88.1", "external_address": None, "detail": ""}
    bad = {"where": "line 2", "reason": "not a port"}
    stale = {"location": "a.csv", "state": "stale", "error": "no such file", "rejected": [bad]}
    good = {"location": "b.csv", "state": "ok", "error": None, "rejected": []}
    text = shown(
        gateways=[gateway],
        sources=[stale, good],
        faults=[{"plugin": "x", "error": "a bug", "count": 2}],
        error="the store is read-only",
    )
    assert "PCP 2 at 192.168.88.1, external address unknown" in text
    assert "a.csv is stale: no such file" in text
    assert "a.csv, line 2: not a port" in text
    assert "b.csv" not in text
    assert "plugin x: a bug (2 times)" in text
    assert "the store is read-only" in text


def test_the_external_address_of_an_ipv6_gateway_is_not_shown() -> None:
    """A pinhole has no external address; the detail is shown instead."""
    gateway = {"protocol": "PCP 2", "address": "fe80::1", "external_address": None, "detail": "IPv6"}
    assert "PCP 2 at fe80::1, IPv6" in shown(gateways=[gateway])


def test_a_document_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The output goes to standard output."""
    print_status({"mappings": [MAPPING], "gateways": [], "sources": []})
    assert "192.168.88.10:80" in capsys.readouterr().out
