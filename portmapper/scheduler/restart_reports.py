"""Tells whether a device restarted again, or another of its protocols tells late of the same restart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from portmapper.api.backend import Gateway
from portmapper.api.model import IPAddress

GRAIN = 1.0
"""Seconds by which the age of a table may be too low: an epoch has whole seconds."""


class RestartReports:
    """The reports of the last restart of each device."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Know of no restart. `monotonic` returns seconds."""
        self._monotonic = monotonic
        self._told: defaultdict[IPAddress, dict[str, float]] = defaultdict(dict)

    def is_first(self, gateway: Gateway) -> bool:
        """Note a report; return whether no other protocol of the device has told of this restart yet.

        One that is seldom asked reports it late, by its epoch, when all has long been renewed.
        """
        told, now = self._told[gateway.address], self._monotonic()
        first = _is_first(gateway, told, now)
        if first:
            told.clear()
        told[gateway.identity] = now
        return first


def _is_first(gateway: Gateway, told: Mapping[str, float], now: float) -> bool:
    if not isinstance(gateway.table_age, int | float):  # unknown, or a plugin's mistake
        return not told or gateway.identity in told
    began = now - gateway.table_age - GRAIN
    return all(at < began for identity, at in told.items() if identity != gateway.identity)
