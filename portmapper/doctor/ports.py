"""Findings about each desired port: whether a gateway opens it, and why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from portmapper.api.errors import BackendError, Conflict, NotAuthorized, Unsupported
from portmapper.api.findings import Finding
from portmapper.api.model import IPAddress, TableEntry
from portmapper.doctor.desired import DesiredPort
from portmapper.doctor.gateways import RULES_ADVICE
from portmapper.doctor.trial_mapping import TrialResult
from portmapper.support.wording import protocol_name

IsOurs = Callable[[IPAddress], bool]


def entry_at(desired: DesiredPort, table: Iterable[TableEntry]) -> TableEntry | None:
    """Return the entry for the desired external port in a gateway's table."""
    return next((e for e in table if (e.protocol, e.external_port) == (desired.protocol, desired.port)), None)


def held_finding(desired: DesiredPort, holder: TableEntry | None) -> Finding | None:
    """Report that another host holds the port, if the gateway's table shows it."""
    if holder is None or holder.internal_address in (None, desired.internal_address):
        return None
    comment = f" ({holder.comment})" if holder.comment else ""
    summary = f"{desired} is held by {holder.internal_address}{comment}"
    return Finding.error(
        "port-held-by-host",
        summary,
        "use another port or --conflict next; use --conflict overwrite if the entry is yours",
    )


def port_finding(desired: DesiredPort, trial: TrialResult, is_ours: IsOurs, table_was_read: bool) -> Finding:
    """Report the result of requesting the port.

    A denial takes precedence over a conflict: NAT-PMP and PCP offer another port instead of a denied one,
    and only UPnP reports the difference.
    """
    if trial.lease is not None:
        return Finding.ok("port-denied", f"{desired} can be opened over {protocol_name(trial.lease.backend)}")
    denied = trial.refused_with(NotAuthorized, Unsupported)
    if not is_ours(desired.internal_address) and denied is not None:
        return _other_host_finding(desired, trial.refused_with(NotAuthorized) or denied)
    if (denied := trial.refused_with(NotAuthorized)) is not None:
        return Finding.error("port-denied", f"{desired} is denied: {denied}", RULES_ADVICE)
    conflict = trial.refused_with(Conflict)
    if isinstance(conflict, Conflict):
        return _conflict_finding(desired, conflict, table_was_read)
    details = "; ".join(str(refusal) for refusal in trial.errors)
    return Finding.error("port-denied", f"{desired} cannot be opened: {details}", RULES_ADVICE)


def _other_host_finding(desired: DesiredPort, refusal: BackendError) -> Finding:
    advice = f"run portmapper on {desired.internal_address}, or allow hosts to map for others in the router"
    return Finding.error(
        "other-host-denied", f"no gateway opens {desired} for {desired.internal_address}: {refusal}", advice
    )


def _conflict_finding(desired: DesiredPort, conflict: Conflict, table_was_read: bool) -> Finding:
    held = held_finding(desired, conflict.holder)
    if held is not None:
        return held
    if table_was_read:
        # No host has an entry in the table, so the router itself uses the port.
        advice = (
            "use another port, or stop what uses it in the router (manual port forwarding, remote access)"
        )
        return Finding.error(
            "port-held-by-mechanism", f"{desired} is taken by the router itself: {conflict}", advice
        )
    advice = "use another port, or --conflict next; the router does not show which host holds it"
    return Finding.error("port-held-by-host", f"{desired} is taken: {conflict}", advice)
