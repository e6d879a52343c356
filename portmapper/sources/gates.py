"""Gates: decide which mappings of the sources are desired now, and which are held back and why. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import attrs

from portmapper.api.model import Mapping, MappingKey, MappingState
from portmapper.support.values import frozen


@frozen
class Verdict:
    """What one gate says of one mapping.

    Attributes:
        state: `PAUSED` or `WAITING` if the mapping is held back; None if the gate lets it pass.
        reason: why it is held back.
        until: when the verdict changes by itself; None if it does not.
    """

    state: MappingState | None = None
    reason: str = ""
    until: datetime | None = None


PASS = Verdict()

Gate = Callable[[Mapping, datetime], Verdict]
"""Decides about one mapping at one time."""


@frozen
class HeldBack:
    """A mapping that is not desired now.

    Attributes:
        mapping: which.
        state: `PAUSED` or `WAITING`.
        reason: why, for the user.
        opens_at: when it opens by itself; None if that is not known.
    """

    mapping: Mapping
    state: MappingState
    reason: str
    opens_at: datetime | None = None


@frozen
class Decision:
    """The mappings of all sources, divided by the gates.

    Attributes:
        desired: those that the scheduler keeps open.
        held_back: the others.
        closes_at: when a desired mapping closes by itself, by the mapping's key.
        look_again: when the next verdict changes by itself; None if none does.
    """

    desired: Sequence[Mapping] = ()
    held_back: Sequence[HeldBack] = ()
    closes_at: dict[MappingKey, datetime] = attrs.field(factory=dict)
    look_again: datetime | None = None


def decide(mappings: Iterable[Mapping], gates: Sequence[Gate], now: datetime) -> Decision:
    """Ask the gates about each mapping. The first one that holds a mapping back gives the reason."""
    desired: list[Mapping] = []
    held_back: list[HeldBack] = []
    closes_at: dict[MappingKey, datetime] = {}
    for mapping in mappings:
        verdict = _verdict(mapping, gates, now)
        if verdict.state is None:
            desired.append(mapping)
            if verdict.until is not None:
                closes_at[mapping.key] = verdict.until
        else:
            held_back.append(HeldBack(mapping, verdict.state, verdict.reason, verdict.until))
    times = [*closes_at.values(), *(held.opens_at for held in held_back if held.opens_at is not None)]
    return Decision(desired, held_back, closes_at, min(times, default=None))


def limited(decision: Decision, now: datetime) -> list[Mapping]:
    """Return the desired mappings with lifetimes that end when they do, for a run that ends before them."""
    return [_limited(mapping, decision.closes_at.get(mapping.key), now) for mapping in decision.desired]


def _limited(mapping: Mapping, closes_at: datetime | None, now: datetime) -> Mapping:
    if closes_at is None:
        return mapping
    left = max(math.ceil((closes_at - now).total_seconds()), 1)
    return attrs.evolve(mapping, duration=min(mapping.duration or left, left))


def _verdict(mapping: Mapping, gates: Sequence[Gate], now: datetime) -> Verdict:
    closes_at: datetime | None = None
    for gate in gates:
        verdict = gate(mapping, now)
        if verdict.state is not None:
            return verdict
        if verdict.until is not None:
            closes_at = min(closes_at or verdict.until, verdict.until)
    return PASS if closes_at is None else Verdict(until=closes_at)
