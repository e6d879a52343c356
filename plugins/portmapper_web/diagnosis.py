"""The result of doctor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portmapper_web.markup import Content, Markup, tag
from portmapper_web.parts import badge, moment, section

Document = Mapping[str, Any]

SEVERITIES = ("error", "warning", "info", "ok")


def doctor_section(job: Document | None, *, may_change: bool) -> Markup:
    """Return progress and findings of the latest diagnosis."""
    if job is None:
        how = "Run doctor" if may_change else "Log in and run doctor"
        return section("doctor", "Doctor", tag("p", f"{how} to find out why a port is not reachable."))
    return section(
        "doctor",
        "Doctor",
        _progress(job),
        tag("ul", map(_finding, _sorted(job)), class_="plain findings"),
    )


def is_running(job: Document | None) -> bool:
    """Return whether a diagnosis is under way."""
    return job is not None and job["state"] == "running"


def _progress(job: Document) -> list[Content]:
    if is_running(job):
        bar = tag("progress", aria_label="doctor is running", data_poll=True)
        return [tag("p", bar, " ", job["step"], role="status")]
    ended = [" (", moment(job["ended_at"]), ")"] if job["ended_at"] else None
    return [tag("p", job["error"] or job["step"], ended, class_="reason" if job["error"] else None)]


def _sorted(job: Document) -> list[Document]:
    ranks = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    return sorted(job["findings"], key=lambda finding: ranks.get(finding["severity"], len(ranks)))


def _finding(finding: Document) -> Markup:
    severity = finding["severity"]
    return tag(
        "li",
        badge(severity, severity if severity in SEVERITIES else "info"),
        " ",
        finding["summary"],
        tag("p", finding["advice"], class_="todo") if finding.get("advice") else None,
    )
