"""The report of `doctor`: a verdict for each port, each problem once, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from portmapper.api.findings import Finding
from portmapper.support.text import printable

Line = tuple[str, str]
"""A severity (`ok`, `info`, `warning`, `error`, or empty for plain text) and a text."""

_ONLY_INSIDE = ("double-nat", "cgnat", "ds-lite")
"""Problems with which a gateway opens ports that the internet does not reach."""

_NO_GATEWAY = (
    *("no-default-route", "container-network", "ipv6-only", "gateway-silent", "no-external-address"),
    *("port-denied", "port-held-by-mechanism"),
)
"""Problems that concern every port, if they belong to no port."""

_OF_THE_HOST = ("nothing-listening", "listening-on-loopback", "local-firewall")
_BAD = ("error", "warning")
_SHOWN_PORTS = 3


def report(findings: Sequence[Finding], *, verbose: bool) -> list[Line]:
    """Return the lines of the report."""
    ports = list(dict.fromkeys(finding.port for finding in findings if finding.port))
    lines = [_verdict(port, findings) for port in ports]
    problems = _problems(findings)
    for heading, part in (
        ("Problems", [(severity, text) for severity, text, _ in problems]),
        ("What works", list(_good(findings)) if verbose else []),
        ("What to do", [("", f"- {advice}") for advice in dict.fromkeys(advice for *_, advice in problems)]),
    ):
        if part:
            lines += [("", ""), ("", f"{heading}:"), *part] if lines else [("", f"{heading}:"), *part]
    return lines if problems else [*lines, *([("", "")] if lines else []), ("", "Nothing is wrong.")]


def _verdict(port: str, findings: Sequence[Finding]) -> Line:
    """Return whether a port is open from outside, open on the gateway only, or closed, and why."""
    own = [finding for finding in findings if finding.port == port]
    missed = next((finding for finding in own if finding.code == "not-reachable-from-outside"), None)
    if missed is not None:
        return "error", f"{port} is {_without(port, missed.summary)}"
    at_gateway = [finding for finding in own if finding.code not in _OF_THE_HOST]
    on_host = [finding for finding in own if finding.code in _OF_THE_HOST and finding.severity in _BAD]
    refused = next((finding for finding in at_gateway if finding.severity == "error"), None)
    if refused is not None:
        reason = _without(port, refused.summary).removeprefix("denied: ")
        return "error", f"{port} is closed: {reason}"
    probed = next((finding for finding in own if finding.code == "reachable-from-outside"), None)
    if probed is not None and probed.severity == "ok":
        return _but(on_host, port, _without(port, probed.summary))
    general = {f.code: f for f in reversed(findings) if not f.port and f.severity == "error"}
    opened = next((_without(port, finding.summary) for finding in at_gateway), "")
    for code in _ONLY_INSIDE:
        if code in general:
            state = "is open on the gateway only" if opened else "cannot be reached from outside"
            return "error", f"{port} {state}: {general[code].summary}"
    for code in _NO_GATEWAY:
        if code in general:
            return "error", f"{port} is closed: {general[code].summary}"
    if not opened:
        return "info", f"{port} was not requested from the gateway"
    if probed is not None and not on_host:
        return "info", f"{port} is open on the gateway; {printable(probed.summary)}"
    return _but(on_host, port, "open from outside" if opened == "open" else opened)


def _but(on_host: Sequence[Finding], port: str, words: str) -> Line:
    """Return what the gateway or the probe server reports, and what keeps the program from answering."""
    text = f"{port} {words}" if words.startswith("can ") else f"{port} is {words}"
    if on_host:
        return on_host[0].severity.value, f"{text}, but {on_host[0].summary}"
    return "ok", text


def _without(port: str, summary: str) -> str:
    return summary.removeprefix(f"{port} ").removeprefix("is ")


def _problems(findings: Sequence[Finding]) -> list[tuple[str, str, str]]:
    """Return severity, text and advice of each problem, once for all ports that have it; errors first."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        if finding.severity in _BAD:
            groups.setdefault(_kind(finding), []).append(finding)
    ordered = sorted(groups.values(), key=lambda group: group[0].severity != "error")
    return [(group[0].severity.value, _text(group), printable(group[0].advice)) for group in ordered]


def _kind(finding: Finding) -> tuple[str, str, str]:
    """Return what the same problem of another port has in common."""
    if not finding.port:
        return finding.code, finding.advice, ""
    number = finding.port.partition("/")[0]
    advice, summary = (
        re.sub(rf"\b{number}\b", "*", text.replace(finding.port, "*"))
        for text in (finding.advice, finding.summary)
    )
    return finding.code, advice, summary


def _text(group: Sequence[Finding]) -> str:
    others = [finding.port for finding in group[1:] if finding.port]
    if not others:
        return "; ".join(dict.fromkeys(printable(finding.summary) for finding in group))
    more = len(others) - _SHOWN_PORTS
    shown = ", ".join(others[:_SHOWN_PORTS]) + (f" and {more} more" if more > 0 else "")
    return f"{printable(group[0].summary)}; the same for {shown}"


def _good(findings: Sequence[Finding]) -> Iterator[Line]:
    for finding in findings:
        if finding.severity not in _BAD:
            yield finding.severity.value, printable(finding.summary)
