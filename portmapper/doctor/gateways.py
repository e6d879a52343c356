"""Findings about the gateways: which ones answer, their external addresses, and what they grant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from portmapper.api.backend import Gateway
from portmapper.api.errors import AnotherNat, BackendError, Conflict, NetworkFailure
from portmapper.api.external import ExternalKind, external_kind
from portmapper.api.findings import Finding
from portmapper.api.model import IPAddress
from portmapper.doctor.situation import ds_lite_finding, is_ds_lite
from portmapper.doctor.trial_mapping import TrialResult
from portmapper.support.wording import protocol_name, reasons_text

SWITCH_ON_ADVICE = (
    "turn on UPnP, NAT-PMP or PCP in the router (on RouterOS: /ip upnp set enabled=yes, "
    "or /ip nat-pmp set enabled=yes, with their interfaces)"
)


def answer_findings(
    gateways: Sequence[Gateway], search_failures: Mapping[str, BackendError]
) -> Iterator[Finding]:
    """Report which gateways answer."""
    if not gateways:
        details = f" ({reasons_text(search_failures)})" if search_failures else ""
        yield Finding.error(
            "gateway-silent", f"no gateway answers over any protocol{details}", SWITCH_ON_ADVICE
        )
        return
    for gateway in gateways:
        model = f", {gateway.model}" if gateway.model else ""
        yield Finding.ok("gateway-silent", f"{gateway.address} answers: {gateway.protocol}{model}")
    devices = sorted({str(gateway.address) for gateway in gateways if gateway.local_address.version == 4})
    if len(devices) > 1:
        advice = "name the gateway that leads to the Internet: --gateway ADDRESS"
        yield Finding.warning("several-gateways", f"several gateways answer: {', '.join(devices)}", advice)


def address_findings(addresses: Iterable[IPAddress | None], trial: TrialResult | None) -> Iterator[Finding]:
    """Report whether the external address is public; of several protocols' answers, the best one counts."""
    known = {address for address in addresses if address is not None}
    if trial is not None and trial.lease is not None and trial.lease.external_address is not None:
        known.add(trial.lease.external_address)
    kinds = {external_kind(address): address for address in known}
    nat_error = trial.refused_with(AnotherNat) if trial else None
    if nat_error is not None:
        yield _double_nat(str(nat_error))
    elif trial is not None and trial.refused_with(NetworkFailure) is not None:
        yield _no_address(str(trial.refused_with(NetworkFailure)))
    elif (translated := next(filter(is_ds_lite, known), None)) is not None:
        yield ds_lite_finding(translated)
    elif ExternalKind.PUBLIC in kinds:
        yield Finding.ok("double-nat", f"the external address {kinds[ExternalKind.PUBLIC]} is public")
    elif ExternalKind.CGNAT in kinds:
        advice = (
            "ask the provider for a public address, or use IPv6 or a relay: no setting of your router helps"
        )
        shared = kinds[ExternalKind.CGNAT]
        yield Finding.error(
            "cgnat", f"the provider uses carrier-grade NAT: the external address is {shared}", advice
        )
    elif ExternalKind.PRIVATE in kinds:
        yield _double_nat(f"the external address {kinds[ExternalKind.PRIVATE]} is private")
    elif ExternalKind.NONE in kinds or (trial is not None and trial.lease is not None):
        yield _no_address("the gateway has no external address")


def grant_findings(trial: TrialResult) -> Iterator[Finding]:
    """Report the result of the test mapping."""
    if trial.lease is None and (conflict := trial.refused_with(Conflict)) is not None:
        summary = f"the router itself holds every port that was tried: {conflict}"
        yield Finding.error(
            "port-held-by-mechanism",
            summary,
            "look for another rule or function in the router that uses all ports",
        )
    elif trial.lease is None:
        details = "; ".join(dict.fromkeys(str(refusal) for refusal in trial.errors))
        yield Finding.error("port-denied", f"no gateway opens a port for this host: {details}", RULES_ADVICE)
    elif trial.lease.permanent:
        summary = "the gateway grants only permanent leases (725): they never expire"
        advice = "run with --close-ports-on-exit, or close them later with --only-close-ports"
        yield Finding.warning("permanent-leases-only", summary, advice)
    else:
        yield Finding.ok(
            "port-denied",
            f"a test mapping was granted and released over {protocol_name(trial.lease.backend)}",
        )


RULES_ADVICE = (
    "check the router's permission rules for UPnP and NAT-PMP, and which of its interfaces "
    "count as internal (on RouterOS: /ip upnp interfaces, /ip nat-pmp interfaces)"
)


def _no_address(summary: str) -> Finding:
    advice = "check whether the router itself is connected to the Internet"
    return Finding.error("no-external-address", summary, advice)


def _double_nat(summary: str) -> Finding:
    advice = "open the port on the outer router too, or put your router into bridge mode"
    return Finding.error("double-nat", f"the gateway is behind another NAT: {summary}", advice)
