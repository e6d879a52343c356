"""The soak's judgement bites, and takes off what was the machine's fault, and no more."""

from __future__ import annotations

import os
from typing import Any

import pytest
from netlab.prober import Outage
from netlab.soak.footing import Footing
from netlab.soak.lateness import Took, moment, since
from netlab.soak.report import Happened, Report

WEB = ("TCP", 80)
OVER = 100.0


def happened(**said: Any) -> Happened:
    """Make a fault that was over at `OVER` and had to be mended two seconds later."""
    usual = {"closes": True, "bound": 2.0, "began": OVER - 5, "over": OVER, "took": Took(0.5, 0.0)}
    return Happened("restart", "pcp", **{**usual, **said})


@pytest.mark.parametrize(
    ("took", "broken"), [(Took(1.9, 0.0), False), (Took(2.1, 0.0), True), (Took(2.6, 0.7), False)]
)
def test_a_recovery_has_a_bound_without_the_machines_lateness(took: Took, broken: bool) -> None:
    """What the machine kept everybody waiting is no fault of the program."""
    assert bool(happened(took=took).broken()) is broken


@pytest.mark.parametrize(("sure", "broken"), [(OVER + 1.9, False), (OVER + 2.1, True)])
def test_no_port_is_closed_after_the_bound(sure: float, broken: bool) -> None:
    """Though every port had answered once; the last failed question tells until when."""
    outage = Outage(OVER - 1, sure, sure + 0.6)
    assert bool(happened(outages=[(WEB, outage)]).broken()) is broken


def test_a_fault_that_is_no_reason_to_close_a_port_closes_none() -> None:
    """Not for a moment, and not while it lasts either."""
    (said,) = happened(closes=False, outages=[(WEB, Outage(OVER - 2, OVER - 1.9, OVER - 1.8))]).broken()
    assert said.startswith("pcp, restart: 80/tcp was closed for 0.20 s")


def test_one_more_task_or_descriptor_is_growth_and_one_less_is_none() -> None:
    """A connection that was idle before may have ended; whatever the memory."""
    before = Footing(("run", "serve"), 15, 40_000)
    assert Footing(("run", "run", "serve"), 15, 40_000).has_grown(before)
    assert Footing(("run", "listen"), 15, 40_000).has_grown(before)
    assert Footing(("run", "serve"), 16, 40_000).has_grown(before)
    assert not Footing(("run",), 14, 50_000).has_grown(before)


def test_lateness_is_never_more_than_what_passed() -> None:
    """A process that is gone has waited for nothing."""
    began = moment([os.getpid(), 2**22])
    took = since(began, [os.getpid(), 2**22])
    assert 0 <= took.late <= took.passed


def test_the_report_shows_the_worst_of_each_kind() -> None:
    """How often, how long, and what it was measured by."""
    report = Report(7, [happened(), happened(took=Took(1.25, 0.1), outages=[(WEB, Outage(99, 100, 101.5))])])
    line = report.text().splitlines()[2]
    assert line.split() == ["restart", "pcp", "2", "1", "2.50", "s", "1.25", "s", "0.10", "s", "2", "s"]
