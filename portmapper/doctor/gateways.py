"""What is looked at on the gateways: who answers, with which outside address, and what they grant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from portmapper.api.backend import Gateway
from portmapper.api.errors import AnotherNat, BackendError, Conflict, NetworkFailure
from portmapper.api.findings import Finding
from portmapper.api.model import ExternalKind, IPAddress, external_kind
from portmapper.doctor.trial_mapping import TrialMapping

SWITCH_ON = (
    "switch on UPnP, NAT-PMP or PCP in the router (on RouterOS: /ip upnp set enabled=yes, "
    "or /ip nat-pmp set enabled=yes, with their interfaces)"
)


def answer_findings(gateways: Sequence[Gateway], silences: Mapping[str, BackendError]) -> Iterator[Finding]:
    """Tell who answers."""
    if not gateways:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in silences.items())
        said = f" ({reasons})" if reasons else ""
        yield Finding.error("gateway-silent", f"no gateway answers over any protocol{said}", SWITCH_ON)
        return
    for gateway in gateways:
        model = f", {gateway.model}" if gateway.model else ""
        yield Finding.ok("gateway-silent", f"{gateway.address} answers: {gateway.protocol}{model}")
    devices = sorted({str(gateway.address) for gateway in gateways if gateway.local_address.version == 4})
    if len(devices) > 1:
        advice = "name the one that stands before the Internet: --gateway ADDRESS"
        yield Finding.warning("several-gateways", f"several gateways answer: {', '.join(devices)}", advice)


def address_findings(told: Iterable[IPAddress | None], trial: TrialMapping | None) -> Iterator[Finding]:
    """Tell whether the outside address leads to us; of what several protocols tell the best counts."""
    known = {address for address in told if address is not None}
    if trial is not None and trial.lease is not None and trial.lease.external_address is not None:
        known.add(trial.lease.external_address)
    kinds = {external_kind(address): address for address in known}
    other = trial.refused_with(AnotherNat) if trial else None
    if other is not None:
        yield _double_nat(str(other))
    elif trial is not None and trial.refused_with(NetworkFailure) is not None:
        yield _no_address(str(trial.refused_with(NetworkFailure)))
    elif ExternalKind.PUBLIC in kinds:
        yield Finding.ok("double-nat", f"the external address {kinds[ExternalKind.PUBLIC]} is a public one")
    elif ExternalKind.CGNAT in kinds:
        advice = "ask the provider for a public address or use IPv6: nothing at your end helps"
        shared = kinds[ExternalKind.CGNAT]
        yield Finding.error(
            "cgnat", f"the provider's NAT stands between: the external address is {shared}", advice
        )
    elif ExternalKind.PRIVATE in kinds:
        yield _double_nat(f"the external address {kinds[ExternalKind.PRIVATE]} is a private one")
    elif ExternalKind.NONE in kinds or (trial is not None and trial.lease is not None):
        yield _no_address("the gateway has no external address")


def grant_findings(trial: TrialMapping) -> Iterator[Finding]:
    """Tell what came of the test mapping."""
    if trial.lease is None and (conflict := trial.refused_with(Conflict)) is not None:
        summary = f"every port that was tried is taken by the router itself: {conflict}"
        yield Finding.error(
            "port-held-by-mechanism", summary, "look for another rule or mechanism there that has all ports"
        )
    elif trial.lease is None:
        said = "; ".join(dict.fromkeys(str(refusal) for refusal in trial.errors))
        yield Finding.error("port-denied", f"no gateway opens a port for this host: {said}", RULES)
    elif trial.lease.permanent:
        summary = "the gateway grants permanent leases only (725): they do not end by themselves"
        advice = "run with --close-ports-on-exit, or close them later with --only-close-ports"
        yield Finding.warning("permanent-leases-only", summary, advice)
    else:
        yield Finding.ok(
            "port-denied", f"a test mapping was granted and given back over {trial.lease.backend}"
        )


RULES = (
    "look at the router's permission rules for UPnP and NAT-PMP, and at which of its interfaces "
    "count as internal (on RouterOS: /ip upnp interfaces, /ip nat-pmp interfaces)"
)


def _no_address(summary: str) -> Finding:
    advice = "look whether the router itself is connected to the Internet"
    return Finding.error("no-external-address", summary, advice)


def _double_nat(summary: str) -> Finding:
    advice = "open the port on the outer router too, or put yours into bridge mode"
    return Finding.error("double-nat", f"another NAT stands before the gateway: {summary}", advice)
