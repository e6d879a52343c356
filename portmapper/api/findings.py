"""What an examination finds: a stable code for programs, a sentence and advice for people."""

from __future__ import annotations

import enum

import attrs


class Severity(enum.StrEnum):
    """How much a finding matters.

    Attributes:
        ERROR: ports cannot be reached because of it.
        WARNING: something does not work, or may not for long.
        INFO: worth knowing.
        OK: looked at, and nothing wrong.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OK = "ok"


CODES = (
    "state-dir-not-writable",
    "already-running",
    "source-unreadable",
    "no-default-route",
    "vpn-default-route",
    "gateway-silent",
    "several-gateways",
    "upnp-off",
    "ssdp-multicast-blocked",
    "ssdp-blocked",
    "epoch-trouble",
    "double-nat",
    "cgnat",
    "no-external-address",
    "permanent-leases-only",
    "port-denied",
    "other-host-denied",
    "port-held-by-host",
    "port-held-by-mechanism",
    "nothing-listening",
    "listening-on-loopback",
    "local-firewall",
)
"""Every code, in the order of the examination. They are a contract: other programs compare them."""


@attrs.frozen
class Finding:
    """One thing that was looked at.

    Attributes:
        code: one of `CODES`.
        severity: how much it matters.
        summary: one line, what is so; may quote a gateway's own words.
        advice: one line, what to do about it; empty when nothing is to be done.
    """

    code: str
    severity: Severity
    summary: str
    advice: str = ""

    @classmethod
    def ok(cls, code: str, summary: str) -> Finding:
        """Report that nothing is wrong."""
        return cls(code, Severity.OK, summary)

    @classmethod
    def warning(cls, code: str, summary: str, advice: str) -> Finding:
        """Report something that does not work, or may stop working."""
        return cls(code, Severity.WARNING, summary, advice)

    @classmethod
    def error(cls, code: str, summary: str, advice: str) -> Finding:
        """Report something that keeps ports closed."""
        return cls(code, Severity.ERROR, summary, advice)
