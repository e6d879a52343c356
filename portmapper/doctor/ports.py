"""Why a wanted port is not to be had."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from portmapper.api.errors import BackendError, Conflict, NotAuthorized, Unsupported
from portmapper.api.findings import Finding
from portmapper.api.model import IPAddress, TableEntry
from portmapper.doctor.desired import Desired
from portmapper.doctor.gateways import RULES
from portmapper.doctor.trial_mapping import TrialMapping

IsOurs = Callable[[IPAddress], bool]


def holder_of(desired: Desired, table: Iterable[TableEntry]) -> TableEntry | None:
    """Return the entry that a gateway's table has for the wanted external port."""
    return next((e for e in table if (e.protocol, e.external_port) == (desired.protocol, desired.port)), None)


def held_by_another(desired: Desired, holder: TableEntry | None) -> Finding | None:
    """Tell that another host has it, where the gateway's table says so."""
    if holder is None or holder.internal_address in (None, desired.internal_address):
        return None
    comment = f" ({holder.comment})" if holder.comment else ""
    summary = f"{desired} is held by {holder.internal_address}{comment}"
    return Finding.error(
        "port-held-by-host", summary, "take another port, or --conflict next, or take if it is yours"
    )


def judged(desired: Desired, trial: TrialMapping, is_ours: IsOurs, table_was_read: bool) -> Finding:
    """Tell what came of asking for it.

    Rules come before conflicts: NAT-PMP and PCP offer another port in place of a denied one, and
    only UPnP says plainly which it was.
    """
    if trial.lease is not None:
        return Finding.ok("port-denied", f"{desired} can be opened over {trial.lease.backend}")
    denied = trial.refused_with(NotAuthorized, Unsupported)
    if not is_ours(desired.internal_address) and denied is not None:
        return _other_host(desired, trial.refused_with(NotAuthorized) or denied)
    if (denied := trial.refused_with(NotAuthorized)) is not None:
        return Finding.error("port-denied", f"{desired} is denied: {denied}", RULES)
    conflict = trial.refused_with(Conflict)
    if isinstance(conflict, Conflict):
        return _conflict(desired, conflict, table_was_read)
    said = "; ".join(str(refusal) for refusal in trial.errors)
    return Finding.error("port-denied", f"{desired} cannot be opened: {said}", RULES)


def _other_host(desired: Desired, refusal: BackendError) -> Finding:
    advice = f"run portmapper on {desired.internal_address}, or let hosts map for others in the router"
    return Finding.error(
        "other-host-denied", f"no gateway opens {desired} for {desired.internal_address}: {refusal}", advice
    )


def _conflict(desired: Desired, conflict: Conflict, table_was_read: bool) -> Finding:
    held = held_by_another(desired, conflict.holder)
    if held is not None:
        return held
    if table_was_read:
        # Nobody's entry in the table, and yet not to be had: the router itself has it.
        advice = (
            "take another port, or end what uses it in the router (port forwarding by hand, remote access)"
        )
        return Finding.error(
            "port-held-by-mechanism", f"{desired} is taken by the router itself: {conflict}", advice
        )
    advice = "take another port, or --conflict next; the router does not show who has it"
    return Finding.error("port-held-by-host", f"{desired} is taken: {conflict}", advice)
