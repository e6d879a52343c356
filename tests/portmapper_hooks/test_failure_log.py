"""Failures of a row for both protocols."""

from __future__ import annotations

from typing import Any

from portmapper.api import Protocol
from portmapper_hooks.failure_log import MAX_KEPT, FailureLog


def test_the_second_half_is_not_new_for_the_same_reason(event: Any) -> None:
    """Another hook, another reason or the same half is new."""
    log, tcp, udp = FailureLog(), event(protocol=Protocol.TCP), event(protocol=Protocol.UDP)
    assert log.is_new(1, tcp, "exit status 1")
    assert log.is_new(1, tcp, "exit status 1")
    assert not log.is_new(1, udp, "exit status 1")
    assert log.is_new(2, udp, "exit status 1")
    assert log.is_new(1, udp, "exit status 2")


def test_after_the_second_half_the_next_failure_is_new(event: Any) -> None:
    """Whether that half failed or not."""
    log, tcp, udp = FailureLog(), event(protocol=Protocol.TCP), event(protocol=Protocol.UDP)
    assert log.is_new(1, tcp, "exit status 1")
    log.done(1, tcp)
    assert not log.is_new(1, udp, "exit status 1")
    log.done(1, udp)
    assert log.is_new(1, udp, "exit status 1")


def test_the_memory_is_bounded(event: Any) -> None:
    """A list may have many rows for one protocol, whose failures no other half ends."""
    log = FailureLog()
    assert all(log.is_new(hook, event(), "exit status 1") for hook in range(MAX_KEPT + 10))
    assert len(log._failures) == MAX_KEPT
