"""Why a wanted port is not to be had."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from portmapper.doctor.gateways import RULES
from portmapper.doctor.trial import Trial
from portmapper.doctor.wanted import Wanted
from portmapper.errors import BackendError, Conflict, NotAuthorized, Unsupported
from portmapper.findings import Finding, error, ok
from portmapper.model import IPAddress, TableEntry

IsOurs = Callable[[IPAddress], bool]


def holder_of(wanted: Wanted, table: Iterable[TableEntry]) -> TableEntry | None:
    """Return the entry that a gateway's table has for the wanted external port."""
    return next((e for e in table if (e.protocol, e.external_port) == (wanted.protocol, wanted.port)), None)


def held_by_another(wanted: Wanted, holder: TableEntry | None) -> Finding | None:
    """Tell that another host has it, where the gateway's table says so."""
    if holder is None or holder.internal_address in (None, wanted.internal_address):
        return None
    comment = f" ({holder.comment})" if holder.comment else ""
    summary = f"{wanted} is held by {holder.internal_address}{comment}"
    return error(
        "port-held-by-host", summary, "take another port, or --conflict next, or take if it is yours"
    )


def judged(wanted: Wanted, trial: Trial, is_ours: IsOurs, table_was_read: bool) -> Finding:
    """Tell what came of asking for it.

    Rules come before conflicts: NAT-PMP and PCP offer another port in place of a denied one, and
    only UPnP says plainly which it was.
    """
    if trial.lease is not None:
        return ok("port-denied", f"{wanted} can be opened over {trial.lease.backend}")
    denied = trial.refused_with(NotAuthorized, Unsupported)
    if not is_ours(wanted.internal_address) and denied is not None:
        return _other_host(wanted, trial.refused_with(NotAuthorized) or denied)
    if (denied := trial.refused_with(NotAuthorized)) is not None:
        return error("port-denied", f"{wanted} is denied: {denied}", RULES)
    conflict = trial.refused_with(Conflict)
    if isinstance(conflict, Conflict):
        return _conflict(wanted, conflict, table_was_read)
    said = "; ".join(str(refusal) for refusal in trial.errors)
    return error("port-denied", f"{wanted} cannot be opened: {said}", RULES)


def _other_host(wanted: Wanted, refusal: BackendError) -> Finding:
    advice = f"run portmapper on {wanted.internal_address}, or let hosts map for others in the router"
    return error(
        "other-host-denied", f"no gateway opens {wanted} for {wanted.internal_address}: {refusal}", advice
    )


def _conflict(wanted: Wanted, conflict: Conflict, table_was_read: bool) -> Finding:
    held = held_by_another(wanted, conflict.holder)
    if held is not None:
        return held
    if table_was_read:
        # Nobody's entry in the table, and yet not to be had: the router itself has it.
        advice = (
            "take another port, or end what uses it in the router (port forwarding by hand, remote access)"
        )
        return error("port-held-by-mechanism", f"{wanted} is taken by the router itself: {conflict}", advice)
    advice = "take another port, or --conflict next; the router does not show who has it"
    return error("port-held-by-host", f"{wanted} is taken: {conflict}", advice)
