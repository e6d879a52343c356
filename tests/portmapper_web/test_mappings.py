"""The list of mappings on the page."""

from __future__ import annotations

from typing import Any

from status_documents import mapping

from portmapper_web.mappings import _reachable


def text(**changes: Any) -> str:
    """Return what the page shows of a result from outside."""
    known = {
        "state": "yes",
        "at": "2026-11-28T10:00:00+00:00",
        "seen_from": "198.51.100.7",
        "reason": "answers",
    }
    return str(_reachable(mapping(reachable={**known, **changes})) or "")


def test_a_port_shows_whether_it_is_reachable_from_outside() -> None:
    """With who saw it, or else the reason, which is escaped."""
    assert "reachable from outside: yes, seen from 198.51.100.7" in text()
    assert "no, nothing &lt;b&gt; arrives" in text(state="no", reason="nothing <b> arrives")
    assert _reachable(mapping()) is None
