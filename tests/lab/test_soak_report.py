"""Limits and measurements of the soak."""

from __future__ import annotations

import os
from typing import Any

import pytest
from netlab.cpu_wait import Elapsed, mark, since
from netlab.prober import Outage
from netlab.soak.report import FaultRecord, Report
from netlab.soak.resource_usage import ResourceUsage

WEB = ("TCP", 80)
OVER = 100.0


def record(**changes: Any) -> FaultRecord:
    """Return a fault that ended at `OVER`, with a limit of two seconds for the recovery."""
    defaults = {"closes": True, "bound": 2.0, "began": OVER - 5, "over": OVER, "took": Elapsed(0.5, 0.0)}
    return FaultRecord("restart", "pcp", **{**defaults, **changes})


@pytest.mark.parametrize(
    ("took", "broken"), [(Elapsed(1.9, 0.0), False), (Elapsed(2.1, 0.0), True), (Elapsed(2.6, 0.7), False)]
)
def test_the_limit_of_a_recovery_excludes_waiting_for_a_processor(took: Elapsed, broken: bool) -> None:
    """The program is not responsible for a slow machine."""
    assert bool(record(took=took).violations()) is broken


@pytest.mark.parametrize(("sure", "broken"), [(OVER + 1.9, False), (OVER + 2.1, True)])
def test_a_port_closed_after_the_limit_is_a_violation(sure: float, broken: bool) -> None:
    """The last failed query counts, even if every port had answered once."""
    outage = Outage(OVER - 1, sure, sure + 0.6)
    assert bool(record(outages=[(WEB, outage)]).violations()) is broken


def test_a_port_closed_by_a_harmless_fault_is_a_violation() -> None:
    """Any outage during such a fault counts."""
    (problem,) = record(closes=False, outages=[(WEB, Outage(OVER - 2, OVER - 1.9, OVER - 1.8))]).violations()
    assert problem.startswith("pcp, restart: 80/tcp was closed for 0.20 s")


def test_an_additional_task_or_descriptor_is_growth() -> None:
    """Idle connections may have closed, and memory is ignored."""
    before = ResourceUsage(("run", "serve"), 15, 40_000)
    assert ResourceUsage(("run", "run", "serve"), 15, 40_000).has_grown(before)
    assert ResourceUsage(("run", "listen"), 15, 40_000).has_grown(before)
    assert ResourceUsage(("run", "serve"), 16, 40_000).has_grown(before)
    assert not ResourceUsage(("run",), 14, 50_000).has_grown(before)


def test_the_waiting_time_is_at_most_the_total_time() -> None:
    """A missing process has no waiting time."""
    began = mark([os.getpid(), 2**22])
    took = since(began, [os.getpid(), 2**22])
    assert 0 <= took.late <= took.total


def test_the_report_contains_the_worst_values_of_each_kind() -> None:
    """It contains counts, durations and limits."""
    report = Report(7, [record(), record(took=Elapsed(1.25, 0.1), outages=[(WEB, Outage(99, 100, 101.5))])])
    line = report.text().splitlines()[2]
    assert line.split() == ["restart", "pcp", "2", "1", "2.50", "s", "1.25", "s", "0.10", "s", "2", "s"]
