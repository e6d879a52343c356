"""Findings of `doctor`: a stable code for programs, a summary and advice for people."""

from __future__ import annotations

import enum

import attrs


class Severity(enum.StrEnum):
    """How much a finding matters.

    Attributes:
        ERROR: it keeps ports from being reachable.
        WARNING: something does not work, or may stop working.
        INFO: useful to know.
        OK: the check found no problem.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OK = "ok"


CODES = (
    "state-dir-not-writable",
    "already-running",
    "source-unreadable",
    "hook-program-missing",
    "no-default-route",
    "container-network",
    "ipv6-only",
    "vpn-default-route",
    "gateway-silent",
    "several-gateways",
    "upnp-off",
    "ssdp-multicast-blocked",
    "ssdp-blocked",
    "epoch-trouble",
    "double-nat",
    "cgnat",
    "ds-lite",
    "no-external-address",
    "permanent-leases-only",
    "port-denied",
    "other-host-denied",
    "port-held-by-host",
    "port-held-by-mechanism",
    "nothing-listening",
    "listening-on-loopback",
    "local-firewall",
    "reachable-from-outside",
    "not-reachable-from-outside",
    "external-address-differs",
)
"""Every code, in the order of the checks. Other programs compare them, so they must not change."""


@attrs.frozen
class Finding:
    """Result of one check.

    Attributes:
        code: one of `CODES`.
        severity: how much it matters.
        summary: what was found, one line; may quote text from a gateway.
        advice: what to do about it, one line; empty if nothing needs to be done.
        port: the port that it concerns, such as `8080/tcp`; empty if it concerns none or all.
    """

    code: str
    severity: Severity
    summary: str
    advice: str = ""
    port: str = ""

    def about(self, port: str) -> Finding:
        """Return the finding for one port."""
        return attrs.evolve(self, port=port)

    @classmethod
    def ok(cls, code: str, summary: str) -> Finding:
        """Report a check that passed."""
        return cls(code, Severity.OK, summary)

    @classmethod
    def warning(cls, code: str, summary: str, advice: str) -> Finding:
        """Report something that does not work, or may stop working."""
        return cls(code, Severity.WARNING, summary, advice)

    @classmethod
    def error(cls, code: str, summary: str, advice: str) -> Finding:
        """Report something that keeps ports from being reachable."""
        return cls(code, Severity.ERROR, summary, advice)
