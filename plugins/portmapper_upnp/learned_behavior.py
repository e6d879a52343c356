"""What a gateway refuses, as text for the lease store."""

from __future__ import annotations

import json
import time
from typing import Any

import attrs

from portmapper.api import Learned
from portmapper_upnp.behavior import ANY_HOSTS, WEEK, DeviceBehavior

REMEMBERED = 30 * 86_400
"""Seconds that a refusal is remembered. It may have had a cause that is gone, such as an old release."""

_REFUSALS = ("permanent_only", "plain_comments", "tiny_comments", "unique_comments", "no_any_port")
_LEASES = ("longest_lease", "shortest_lease")


class LearnedBehavior:
    """The refusals of one device in the store.

    Args:
        learned: their place in the store.
        device: what identifies the device and its software; refusals of another one do not count.
    """

    def __init__(self, learned: Learned, device: str) -> None:
        self._learned = learned
        self._device = device
        self._written: dict[str, Any] = {}

    def read(self) -> DeviceBehavior:
        """Return the behavior with the refusals of earlier runs; nothing is known if the text is invalid."""
        behavior = DeviceBehavior()
        try:
            told = json.loads(self._learned.read() or "{}")
            if told.get("device") == self._device and 0 <= time.time() - told["at"] < REMEMBERED:
                behavior = _behavior(told)
                self._written = _refusals(behavior)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            pass
        return behavior

    def write(self, behavior: DeviceBehavior) -> None:
        """Keep the refusals if they have changed."""
        refusals = _refusals(behavior)
        if refusals != self._written:
            self._written = refusals
            self._learned.write(json.dumps({"device": self._device, "at": int(time.time()), **refusals}))


def _behavior(told: dict[str, Any]) -> DeviceBehavior:
    known: dict[str, Any] = {name: told.get(name) is True for name in _REFUSALS}
    known |= {name: told[name] for name in _LEASES if _is_lease(told.get(name))}
    any_host = told.get("any_host")
    return DeviceBehavior(**known, any_host=any_host if any_host in ANY_HOSTS else "")


def _is_lease(value: object) -> bool:
    return type(value) is int and 0 < value <= WEEK


def _refusals(behavior: DeviceBehavior) -> dict[str, Any]:
    """Return the refusals; what the gateway shows of its table is observed again in each run."""
    every = attrs.asdict(behavior)
    return {name: every[name] for name in (*_REFUSALS, *_LEASES, "any_host") if every[name]}
