"""From the daemon's status document to the conditions of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from portmapper_kubernetes.decision import Verdict

Document = Mapping[str, Any]

MAX_MESSAGE = 1000

_OPEN_REASONS = {
    "active": "Granted",
    "conflict": "Conflict",
    "refused": "Refused",
    "failed": "Refused",
    "waiting": "Waiting",
    "paused": "Paused",
}
_WORST_FIRST = (
    "Conflict",
    "GatewayRefusesOtherHosts",
    "Refused",
    "NoGateway",
    "Pending",
    "Paused",
    "Waiting",
    "Granted",
)


HELD_BACK = ("Waiting", "Paused")
"""Reasons of ports that are closed as their author or the operator wants it."""


@attrs.frozen
class Condition:
    """One condition of an object, without its times.

    Attributes:
        kind: `Accepted`, `Open` or `Reachable`.
        status: `True`, `False` or `Unknown`.
        reason: one word for programs.
        message: for people.
    """

    kind: str
    status: str
    reason: str
    message: str


@attrs.frozen
class State:
    """What is reported for one object.

    Attributes:
        verdict: what was decided.
        conditions: `Accepted`, `Open` and `Reachable`.
        ports: the status document of each of its ports.
    """

    verdict: Verdict
    conditions: tuple[Condition, ...]
    ports: tuple[Document, ...]

    @property
    def open_ports(self) -> list[Document]:
        """The ports that are open."""
        return [port for port in self.ports if port["state"] == "active"]


def states_of(verdicts: Sequence[Verdict], status: Document, own_addresses: frozenset[str]) -> list[State]:
    """Return what to report for each object.

    Args:
        verdicts: what was decided.
        status: the daemon's status document.
        own_addresses: the addresses of this host.
    """
    ports: dict[str, list[Document]] = {}
    for mapping in status["mappings"]:
        if mapping.get("origin"):
            ports.setdefault(mapping["origin"], []).append(mapping)
    has_gateway = bool(status["gateways"])
    return [
        _state(verdict, ports.get(verdict.reference.origin, []), has_gateway, own_addresses)
        for verdict in verdicts
    ]


def _state(verdict: Verdict, ports: list[Document], has_gateway: bool, own: frozenset[str]) -> State:
    wanted = len(verdict.wanted)
    opened = _open(ports, wanted, has_gateway, own) if wanted else _not_asked(verdict)
    return State(verdict, (_accepted(verdict), opened, _reachable(ports)), tuple(ports))


def _accepted(verdict: Verdict) -> Condition:
    if verdict.rejection is None:
        return Condition("Accepted", "True", "Accepted", "")
    message = str(verdict.rejection)[:MAX_MESSAGE]
    return Condition("Accepted", "False", verdict.rejection.reason, message)


def _not_asked(verdict: Verdict) -> Condition:
    rejection = verdict.rejection
    reason = rejection.reason if rejection is not None else "Pending"
    return Condition("Open", "False", reason, "the object is not accepted")


def _open(ports: list[Document], wanted: int, has_gateway: bool, own: frozenset[str]) -> Condition:
    """Report the worst port; a port that the daemon does not list yet is pending."""
    reasons = {_reason(port, has_gateway, own): port for port in ports}
    if len(ports) < wanted:
        reasons.setdefault("Pending", {"error": None})
    reason = next(known for known in _WORST_FIRST if known in reasons)
    if reason == "Granted":
        return Condition("Open", "True", reason, "")
    port = reasons[reason]
    return Condition("Open", "False", reason, _message(port, reason)[:MAX_MESSAGE])


def _reason(port: Document, has_gateway: bool, own: frozenset[str]) -> str:
    state = port["state"]
    if state == "pending":
        return "Pending" if has_gateway else "NoGateway"
    reason = _OPEN_REASONS.get(state, "Pending")
    is_elsewhere = bool(port["internal_address"]) and port["internal_address"] not in own
    return "GatewayRefusesOtherHosts" if reason == "Refused" and is_elsewhere else reason


def _message(port: Document, reason: str) -> str:
    if reason == "NoGateway":
        return "no gateway answers"
    error = port.get("error") or ("waiting for the gateway" if reason == "Pending" else "the gateway refused")
    if "protocol" not in port:
        return str(error)
    return f"{_name(port)}: {error}"


def _name(port: Document) -> str:
    return f"{port['wanted_external_port'] or 'any'}/{port['protocol'].lower()}"


_REACHABLE = {"no": ("False", "NoAnswer"), "unknown": ("Unknown", "NotProven"), "yes": ("True", "Answered")}
"""Status and reason for each state of a probe, the worst first."""


def _reachable(ports: list[Document]) -> Condition:
    """Report the worst result of the probes from outside. Their times would cause a write for each probe."""
    results = {reachable_state(port): port for port in reversed(ports)}
    state = next((known for known in _REACHABLE if known in results), None)
    if state is None:
        return Condition("Reachable", "Unknown", "NotProbed", "no probe from outside has checked the port")
    status, reason = _REACHABLE[state]
    port = results[state]
    text = f"{_name(port)}: {port['reachable'].get('reason') or reason}"
    return Condition("Reachable", status, reason, "" if status == "True" else text[:MAX_MESSAGE])


def reachable_state(port: Document) -> str:
    """Return `yes`, `no` or `unknown` for a port that was probed from outside; else empty text."""
    result = port.get("reachable")
    return str(result.get("state") or "") if isinstance(result, Mapping) else ""
