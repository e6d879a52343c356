"""Quirks of AddPortMapping: which requests are refused, and what is stored."""

from __future__ import annotations

import re

import attrs

from portmapper_simulator.quirk_points import refuse_with
from portmapper_simulator.upnp_points import ADD, CALL, AddRequest, Call

STEP = 1000
"""Distance of an assigned port from the requested one."""

TABLE_SIZE = 4


def _every_host_is_empty(call: Call) -> bool:
    return call.arguments.get("NewRemoteHost") == "" and call.action in (
        "AddPortMapping",
        "AddAnyPortMapping",
    )


def _always(_: object) -> bool:
    return True


def _for_other_host(request: AddRequest) -> bool:
    return request.client != request.caller


def _renews(request: AddRequest) -> bool:
    return request.renews


ADD.quirk("M3", "718 for every existing mapping, even the client's own")(refuse_with(718, _renews))
ADD.quirk("M4", "729 for every mapping")(refuse_with(729, _always))
ADD.quirk("M4-501", "501 for every mapping")(refuse_with(501, _always))
ADD.quirk("M5", "724 unless the external and internal port are equal")(
    refuse_with(724, lambda request: request.external_port != request.internal_port)
)
ADD.quirk("M7-606", "606 for every mapping")(refuse_with(606, _always))
ADD.quirk("M7-727", "727 for every mapping")(refuse_with(727, _always))
ADD.quirk("M7-728", "728 for every mapping")(refuse_with(728, _always))
ADD.bundle("M7", "728 for every mapping, as M7-728", "M7-728")
ADD.quirk("M12", "606 for a mapping to a host other than the client")(refuse_with(606, _for_other_host))
ADD.quirk("M12-718", "718 for a mapping to a host other than the client")(refuse_with(718, _for_other_host))
ADD.quirk("M13", "501 for a renewal")(refuse_with(501, _renews))
ADD.quirk("M19", "402 for a description with punctuation, or with more than 30 characters")(
    refuse_with(402, lambda request: not re.fullmatch("[A-Za-z0-9 ]{1,30}", request.description))
)
CALL.quirk("M33", "402 for an empty remote host, and accepts 0.0.0.0 for every host")(
    refuse_with(402, _every_host_is_empty)
)
CALL.quirk("M33-726", "726 for an empty remote host, and accepts 0.0.0.0 for every host")(
    refuse_with(726, _every_host_is_empty)
)
CALL.quirk("M33-715", "715 for an empty remote host, and accepts 0.0.0.0 for every host")(
    refuse_with(715, _every_host_is_empty)
)
ADD.quirk("M34", "402 for a description of more than one word, or with other characters than letters")(
    refuse_with(402, lambda request: not re.fullmatch("[A-Za-z]{1,10}", request.description))
)
ADD.quirk("M31", "718 for a description that another entry has")(
    refuse_with(718, lambda request: request.description in request.other_descriptions)
)


ADD.quirk("M35", "718 for an internal port that has another external port")(
    refuse_with(718, lambda request: request.other_ports)
)


@ADD.quirk("M9", "assigns a different port than requested for AddAnyPortMapping")
def _other_port(request: AddRequest) -> AddRequest:
    if not request.any_port:
        return request
    return attrs.evolve(request, external_port=request.external_port % (65535 - STEP) + STEP)


@ADD.quirk("M15-always", "accepts every mapping, but keeps none")
def _hollow(request: AddRequest) -> AddRequest:
    return attrs.evolve(request, kept=False)


@ADD.quirk("M25", "holds four entries, and accepts more without storing them")
def _full(request: AddRequest) -> AddRequest:
    return attrs.evolve(request, kept=request.renews or request.entries < TABLE_SIZE)


ADD.quirk("remote-host-ignored", "stores an entry for every host if a remote host is requested")(
    lambda request: attrs.evolve(request, remote=None)
)
