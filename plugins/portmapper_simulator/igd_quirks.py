"""Quirks S and M: WAN connections, and mappings over UPnP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs

from portmapper_simulator.actions import WAN_PPP_1
from portmapper_simulator.errors import Fault
from portmapper_simulator.gateway_points import (
    EXTERNAL_ADDRESS,
    TABLES,
)
from portmapper_simulator.upnp_points import (
    ADD,
    CALL,
    DELETED,
    LAYOUT,
    LIST_END,
    LISTING,
    MISSING,
    NEWEST_FIRST,
    AddRequest,
    Call,
    Layout,
    WanService,
)

HIGHEST_LEASE = 604_800
STEP = 1000
"""Distance of an assigned port from the requested one."""

Value = TypeVar("Value")


def _refuse_with(code: int, when: Callable[[Value], bool]) -> Callable[[Value], Value]:
    """Return a quirk that refuses with a UPnP error code."""

    def refuse(value: Value) -> Value:
        if when(value):
            raise Fault(code)
        return value

    return refuse


def _always(_: object) -> bool:
    return True


# ---- S: services


def _second(service: WanService) -> WanService:
    return attrs.evolve(service, name="WANIPConn2", control_url="/ctl/WANIPConn2")


@LAYOUT.quirk("S1", "has two WAN connections, the first disconnected")
def _first_disconnected(layout: Layout) -> Layout:
    (service,) = layout.services[:1]
    first = attrs.evolve(service, connected=False, external_address="0.0.0.0")
    return attrs.evolve(layout, services=(first, _second(service)))


@LAYOUT.quirk("S2", "has two WAN connections, the first with a private external address")
def _first_private(layout: Layout) -> Layout:
    (service,) = layout.services[:1]
    first = attrs.evolve(service, external_address="192.168.100.2")
    return attrs.evolve(layout, services=(first, _second(service)))


@LAYOUT.quirk("S3-ppp", "offers WANPPPConnection:1")
def _ppp(layout: Layout) -> Layout:
    services = tuple(attrs.evolve(service, kind=WAN_PPP_1) for service in layout.services)
    return attrs.evolve(layout, services=services)


@LAYOUT.quirk("S5-empty", "reports an empty external address")
def _no_address(layout: Layout) -> Layout:
    services = tuple(attrs.evolve(service, external_address="") for service in layout.services)
    return attrs.evolve(layout, services=services)


@LAYOUT.quirk("D8", "describes no WAN connection service")
def _no_service(layout: Layout) -> Layout:
    return attrs.evolve(layout, services=())


@LAYOUT.quirk("M14", "moves its description and control URLs at each restart")
def _moving_urls(layout: Layout) -> Layout:
    services = tuple(
        attrs.evolve(service, control_url=f"{service.control_url}-{layout.boot}")
        for service in layout.services
    )
    return attrs.evolve(layout, services=services, location=f"/rootDesc-{layout.boot}.xml")


EXTERNAL_ADDRESS.quirk("S5", "reports 0.0.0.0 as external address")(lambda _: "0.0.0.0")
EXTERNAL_ADDRESS.quirk("S5-loopback", "reports a loopback external address")(lambda _: "127.0.0.1")
EXTERNAL_ADDRESS.quirk("S6", "reports a private external address")(lambda _: "192.168.100.2")
EXTERNAL_ADDRESS.quirk("S6-cgnat", "reports an external address in 100.64.0.0/10")(lambda _: "100.64.12.34")

LAYOUT.quirk("firewall-control", "offers WANIPv6FirewallControl, which reports 1/1 and opens no pinhole")(
    lambda layout: attrs.evolve(layout, firewall=True)
)

# ---- M: mapping


def _calls(*actions: str) -> Callable[[Call], bool]:
    return lambda call: call.action in actions


CALL.quirk("S4", "answers GetStatusInfo with a fault")(_refuse_with(501, _calls("GetStatusInfo")))
CALL.quirk("M8", "does not support AddAnyPortMapping (401)")(_refuse_with(401, _calls("AddAnyPortMapping")))
CALL.quirk("M6", "726 unless the remote host is empty")(
    _refuse_with(726, lambda call: call.arguments.get("NewRemoteHost", "") != "")
)
CALL.quirk("M11-unreadable", "does not support listing (501)")(
    _refuse_with(501, _calls("GetGenericPortMappingEntry", "GetListOfPortMappings"))
)


def _finite(request: AddRequest) -> bool:
    return request.lifetime != 0


def _for_other_host(request: AddRequest) -> bool:
    return request.client != request.caller


def _renews(request: AddRequest) -> bool:
    return request.renews


ADD.quirk("M1", "725 for a finite lease")(_refuse_with(725, _finite))
ADD.quirk("M1-402", "402 for a finite lease")(_refuse_with(402, _finite))
ADD.quirk("M2", "402 for lifetime 0, and for more than 604800")(
    _refuse_with(402, lambda request: not 0 < request.lifetime <= HIGHEST_LEASE)
)
ADD.quirk("M3", "718 for every existing mapping, even the client's own")(_refuse_with(718, _renews))
ADD.quirk("M4", "729 for every mapping")(_refuse_with(729, _always))
ADD.quirk("M4-501", "501 for every mapping")(_refuse_with(501, _always))
ADD.quirk("M5", "724 unless the external and internal port are equal")(
    _refuse_with(724, lambda request: request.external_port != request.internal_port)
)
ADD.quirk("M7-606", "606 for every mapping")(_refuse_with(606, _always))
ADD.quirk("M7-727", "727 for every mapping")(_refuse_with(727, _always))
ADD.quirk("M7-728", "728 for every mapping")(_refuse_with(728, _always))
ADD.quirk("M12", "606 for a mapping to a host other than the client")(_refuse_with(606, _for_other_host))
ADD.quirk("M12-718", "718 for a mapping to a host other than the client")(_refuse_with(718, _for_other_host))
ADD.quirk("M13", "501 for a renewal")(_refuse_with(501, _renews))
ADD.quirk("remote-host-ignored", "stores an entry for every host if a remote host is requested")(
    lambda request: attrs.evolve(request, remote=None)
)


@ADD.quirk("M9", "assigns a different port than requested for AddAnyPortMapping")
def _other_port(request: AddRequest) -> AddRequest:
    if not request.any_port:
        return request
    return attrs.evolve(request, external_port=request.external_port % (65535 - STEP) + STEP)


@ADD.quirk("M15", "accepts a mapping with a finite lease, but does not keep it")
def _forgetful(request: AddRequest) -> AddRequest:
    return attrs.evolve(request, kept=request.lifetime == 0)


@ADD.quirk("M15-always", "accepts every mapping, but keeps none")
def _hollow(request: AddRequest) -> AddRequest:
    return attrs.evolve(request, kept=False)


DELETED.quirk("M10", "deletes a mapping, but answers 714")(lambda _: 714)
MISSING.quirk("delete-missing", "answers the deletion of a missing mapping with success")(lambda _: 0)
NEWEST_FIRST.quirk("newest-first", "lists the newest mapping first")(lambda _: True)
LIST_END.quirk("M11-714", "ends a listing with 714")(lambda _: 714)
LIST_END.quirk("M11-402", "ends a listing with 402")(lambda _: 402)
LIST_END.quirk("M11-501", "ends a listing with 501")(lambda _: 501)


@LISTING.quirk("M11-endless", "lists entries endlessly")
def _endless(rows: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return rows + (("TCP", "again"),) * 70_000


@LISTING.quirk("show-dummy-rule", "lists a rule without a port before the real entries")
def _dummy_rule(rows: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return (*rows, ("UDP", "dummy rule"))


TABLES.quirk("tables-apart", "has separate tables for UPnP and for PCP and NAT-PMP (729)")(lambda _: False)

LAYOUT.bundle("S3", "offers WANPPPConnection:1, as S3-ppp", "S3-ppp")
ADD.bundle("M7", "728 for every mapping, as M7-728", "M7-728")
LIST_END.bundle("M11", "ends a listing with 402, as M11-402", "M11-402")
