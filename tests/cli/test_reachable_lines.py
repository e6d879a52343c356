"""The status screen shows whether ports are reachable from outside."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from status_documents import NOW, RUNNING, mapping

from portmapper.cli.tables import Size, render


def reachable(state: str, reason: str = "the program on 8080/tcp answers") -> dict[str, Any]:
    """Return a result from two minutes ago."""
    at = (NOW - timedelta(minutes=2)).isoformat()
    seen_from = "198.51.100.7" if state == "yes" else None
    return {"reachable": {"state": state, "at": at, "seen_from": seen_from, "reason": reason}}


def lines(*mappings: dict[str, Any], width: int | None = None) -> list[str]:
    """Return the screen."""
    document = {**RUNNING, "mappings": list(mappings), "probe": {"external_address": "192.0.2.9"}}
    return [line.text for line in render(document, Size(width), now=NOW).lines]


def test_a_reachable_port_shows_who_saw_it() -> None:
    """The address is the one that the internet sees."""
    expected = "  reachable from outside: yes, seen 2m 0s ago from 198.51.100.7 as 192.0.2.9:8080"
    assert expected in lines(mapping(**reachable("yes")))


def test_an_unreachable_port_comes_first_with_its_reason() -> None:
    """The reason is wrapped, and no line is wider than the screen."""
    reason = "nothing arrives: another NAT, the provider's filter or this host's firewall"
    shown = lines(mapping(8080), mapping(9090, **reachable("no", reason)), width=60)
    text = " ".join(line.strip() for line in shown)
    assert f"reachable from outside: no, {reason}" in text
    assert text.index("9090/tcp") < text.index("8080/tcp")
    assert max(map(len, shown)) <= 60


def test_without_a_probe_nothing_is_shown() -> None:
    """Most users have no probe server."""
    assert "reachable" not in " ".join(lines(mapping()))
