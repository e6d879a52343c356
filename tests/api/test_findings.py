"""Findings of doctor."""

from __future__ import annotations

from portmapper.api.findings import CODES, Finding, Severity


def test_codes_are_unique() -> None:
    """Other programs compare them."""
    assert len(set(CODES)) == len(CODES)


def test_each_severity_has_a_constructor() -> None:
    """A check that passed needs no advice."""
    assert Finding.ok("cgnat", "fine") == Finding("cgnat", Severity.OK, "fine", "")
    assert Finding.warning("cgnat", "bad", "call").severity is Severity.WARNING
    assert Finding.error("cgnat", "bad", "call").severity is Severity.ERROR
