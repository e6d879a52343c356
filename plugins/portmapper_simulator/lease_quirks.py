"""Quirks of lifetimes: which are granted, and which are kept."""

from __future__ import annotations

import attrs

from portmapper_simulator.quirk_points import refuse_with
from portmapper_simulator.upnp_points import ADD, AddRequest

WEEK = 604_800
DAY = 86_400
HOUR = 3_600
MINUTE = 60
SHORT_LEASE = 20


def _finite(request: AddRequest) -> bool:
    return request.lifetime != 0


ADD.quirk("M1", "725 for a finite lease")(refuse_with(725, _finite))
ADD.quirk("M1-402", "402 for a finite lease")(refuse_with(402, _finite))
ADD.quirk("M2", "402 for lifetime 0, and for more than 604800")(
    refuse_with(402, lambda request: not 0 < request.lifetime <= WEEK)
)
ADD.quirk("M22", "402 for lifetime 0, and for more than a day")(
    refuse_with(402, lambda request: not 0 < request.lifetime <= DAY)
)
ADD.quirk("M32", "402 for less than two hours, and for lifetime 0")(
    refuse_with(402, lambda request: request.lifetime < 2 * HOUR)
)
ADD.quirk("M32-short", "402 for more than ten minutes, and for lifetime 0")(
    refuse_with(402, lambda request: not 0 < request.lifetime <= 10 * MINUTE)
)
ADD.quirk("M27", "718 for a finite lifetime, although the port is free")(refuse_with(718, _finite))
ADD.quirk("M27-732", "732 for a finite lifetime")(refuse_with(732, _finite))


@ADD.quirk("M24", "grants 20 seconds, whatever is requested")
def _short_lease(request: AddRequest) -> AddRequest:
    return attrs.evolve(request, lifetime=SHORT_LEASE)


@ADD.quirk("M15", "accepts a mapping with a finite lease, but does not keep it")
def _forgetful(request: AddRequest) -> AddRequest:
    return attrs.evolve(request, kept=request.lifetime == 0)
