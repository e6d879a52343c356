"""How every screen words a verdict."""

from __future__ import annotations

from portmapper.probe.evidence import Cause, OpenPort, State, Verdict
from portmapper.support.text import endpoint


def reachable_text(state: str, reason: str, seen: str) -> str:
    """Return `reachable from outside: yes, seen …`, or the state with its reason."""
    detail = seen if state == State.YES else reason
    return f"reachable from outside: {state}, {detail}"


def seen_text(seen_from: object, address: object, port: object, ago: str = "") -> str:
    """Return `seen 2m 3s ago from 198.51.100.7 as 203.0.113.7:8080`."""
    age = f" {ago} ago" if ago else ""
    return f"seen{age} from {seen_from} as {endpoint(address, port)}"


def outcome_text(port: OpenPort, verdict: Verdict) -> str:
    """Return the verdict of a check that has just ended."""
    seen = seen_text(verdict.seen_from, verdict.seen_as, port.port)
    note = " (no program listens; a temporary listener answered)" if verdict.cause is Cause.NO_PROGRAM else ""
    return reachable_text(verdict.state.value, verdict.reason, seen) + note
