"""From the daemon's status document to the conditions of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from portmapper_kubernetes.decision import Verdict

Document = Mapping[str, Any]

MAX_MESSAGE = 1000

_OPEN_REASONS = {"active": "Granted", "conflict": "Conflict", "refused": "Refused", "failed": "Refused"}
_WORST_FIRST = ("Conflict", "GatewayRefusesOtherHosts", "Refused", "NoGateway", "Pending", "Granted")


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
    return f"{port['wanted_external_port'] or 'any'}/{port['protocol'].lower()}: {error}"


def _reachable(ports: list[Document]) -> Condition:
    """Report the result of a probe from outside, if the status document has one."""
    results = [port["reachable"] for port in ports if isinstance(port.get("reachable"), bool)]
    if not results:
        return Condition("Reachable", "Unknown", "NotProbed", "no probe from outside has checked the port")
    if all(results):
        return Condition("Reachable", "True", "Answered", "")
    return Condition("Reachable", "False", "NoAnswer", "a probe from outside got no answer")
