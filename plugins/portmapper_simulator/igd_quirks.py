"""S and M: what is odd about the WAN connections and the mappings made over UPnP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs

from portmapper_simulator.actions import WAN_PPP_1
from portmapper_simulator.errors import Fault
from portmapper_simulator.points import (
    ADDITION,
    CALL,
    DELETED,
    EXTERNAL_ADDRESS,
    LAYOUT,
    LIST_END,
    LISTING,
    TABLES,
    Addition,
    Call,
    Layout,
    WanService,
)

HIGHEST_LEASE = 604_800
STEP = 1000
"""How far from the wanted port a gateway lands that assigns another."""

Value = TypeVar("Value")


def _refuses(code: int, when: Callable[[Value], bool]) -> Callable[[Value], Value]:
    """Return a quirk that refuses with a UPnP error code."""

    def refuse(value: Value) -> Value:
        if when(value):
            raise Fault(code)
        return value

    return refuse


def _always(_: object) -> bool:
    return True


# ---- S: which service


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


@LAYOUT.quirk("S5-empty", "reports nothing as external address")
def _no_address(layout: Layout) -> Layout:
    services = tuple(attrs.evolve(service, external_address="") for service in layout.services)
    return attrs.evolve(layout, services=services)


@LAYOUT.quirk("D8", "describes no WAN connection service")
def _no_service(layout: Layout) -> Layout:
    return attrs.evolve(layout, services=())


@LAYOUT.quirk("M14", "moves its description and control URLs at each restart")
def _moving(layout: Layout) -> Layout:
    services = tuple(
        attrs.evolve(service, control_url=f"{service.control_url}-{layout.boot}")
        for service in layout.services
    )
    return attrs.evolve(layout, services=services, location=f"/rootDesc-{layout.boot}.xml")


EXTERNAL_ADDRESS.quirk("S5", "reports 0.0.0.0 as external address")(lambda _: "0.0.0.0")
EXTERNAL_ADDRESS.quirk("S5-loopback", "reports a loopback external address")(lambda _: "127.0.0.1")
EXTERNAL_ADDRESS.quirk("S6", "reports a private external address")(lambda _: "192.168.100.2")
EXTERNAL_ADDRESS.quirk("S6-cgnat", "reports an external address in 100.64.0.0/10")(lambda _: "100.64.12.34")

# ---- M: mapping


def _calls(*actions: str) -> Callable[[Call], bool]:
    return lambda call: call.action in actions


CALL.quirk("S4", "answers GetStatusInfo with a fault")(_refuses(501, _calls("GetStatusInfo")))
CALL.quirk("M8", "knows no AddAnyPortMapping (401)")(_refuses(401, _calls("AddAnyPortMapping")))
CALL.quirk("M6", "726 unless the remote host is empty")(
    _refuses(726, lambda call: call.arguments.get("NewRemoteHost", "") != "")
)
CALL.quirk("M11-unreadable", "knows no listing at all (501)")(
    _refuses(501, _calls("GetGenericPortMappingEntry", "GetListOfPortMappings"))
)


def _finite(addition: Addition) -> bool:
    return addition.lifetime != 0


def _for_another(addition: Addition) -> bool:
    return addition.client != addition.caller


def _renews(addition: Addition) -> bool:
    return addition.renews


ADDITION.quirk("M1", "725 for a finite lease")(_refuses(725, _finite))
ADDITION.quirk("M1-402", "402 for a finite lease")(_refuses(402, _finite))
ADDITION.quirk("M2", "402 for lifetime 0, and for more than 604800")(
    _refuses(402, lambda addition: not 0 < addition.lifetime <= HIGHEST_LEASE)
)
ADDITION.quirk("M3", "718 for every mapping that stands already, even the client's own")(
    _refuses(718, _renews)
)
ADDITION.quirk("M4", "729 for every mapping")(_refuses(729, _always))
ADDITION.quirk("M4-501", "501 for every mapping")(_refuses(501, _always))
ADDITION.quirk("M5", "724 unless external and internal port are the same")(
    _refuses(724, lambda addition: addition.external_port != addition.internal_port)
)
ADDITION.quirk("M7-606", "606 for every mapping")(_refuses(606, _always))
ADDITION.quirk("M7-727", "727 for every mapping")(_refuses(727, _always))
ADDITION.quirk("M7-728", "728 for every mapping")(_refuses(728, _always))
ADDITION.quirk("M12", "606 for a mapping to another host than the one that asks")(_refuses(606, _for_another))
ADDITION.quirk("M12-718", "718 for a mapping to another host than the one that asks")(
    _refuses(718, _for_another)
)
ADDITION.quirk("M13", "501 for a renewal")(_refuses(501, _renews))


@ADDITION.quirk("M9", "assigns another port than the wanted one to AddAnyPortMapping")
def _other_port(addition: Addition) -> Addition:
    if not addition.any_port:
        return addition
    return attrs.evolve(addition, external_port=addition.external_port % (65535 - STEP) + STEP)


@ADDITION.quirk("M15", "accepts a mapping with a finite lease and does not hold it")
def _forgetful(addition: Addition) -> Addition:
    return attrs.evolve(addition, kept=addition.lifetime == 0)


@ADDITION.quirk("M15-always", "accepts every mapping and holds none")
def _hollow(addition: Addition) -> Addition:
    return attrs.evolve(addition, kept=False)


DELETED.quirk("M10", "deletes, and answers 714 to it")(lambda _: 714)
LIST_END.quirk("M11-714", "ends a listing with 714")(lambda _: 714)
LIST_END.quirk("M11-402", "ends a listing with 402")(lambda _: 402)
LIST_END.quirk("M11-501", "ends a listing with 501")(lambda _: 501)


@LISTING.quirk("M11-endless", "lists entries without end")
def _endless(rows: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return rows + (("TCP", "again"),) * 70_000


@LISTING.quirk("show-dummy-rule", "shows a rule without a port before the real ones")
def _dummy_rule(rows: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return (*rows, ("UDP", "dummy rule"))


TABLES.quirk("tables-apart", "keeps the table of UPnP apart from that of PCP and NAT-PMP (729)")(
    lambda _: False
)

LAYOUT.bundle("S3", "offers WANPPPConnection:1, as S3-ppp", "S3-ppp")
ADDITION.bundle("M7", "728 for every mapping, as M7-728", "M7-728")
LIST_END.bundle("M11", "ends a listing with 402, as M11-402", "M11-402")
