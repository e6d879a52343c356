"""Random pairs and triples of quirks: a port opens if it opens with each quirk alone.

`QUIRK_COMBINATIONS=500 QUIRK_SEED=7 pytest tests/conformance/test_quirk_combinations.py` tries many others.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from portmapper.api.model import ConflictPolicy, MappingState
from portmapper_simulator.quirks import QUIRKS

COUNT = int(os.environ.get("QUIRK_COMBINATIONS", "10"))
SEED = int(os.environ.get("QUIRK_SEED", "1"))

CLOSED = {
    *("D7", "D8", "D15-loop", "M4", "M4-501", "M15-always", "P5", "P8", "P9", "P16", "P17", "S5"),
    *(name for name in QUIRKS if name.startswith(("D6", "H4", "M7"))),
}
"""Quirks with which no port opens: the gateway refuses everything, or sends what must not be used."""

CLOSED_OVER = {
    "upnp": frozenset[str](),
    "pcp": frozenset({"P2", "P3", "P4", "P22"}),
    "natpmp": frozenset[str](),
}

SLOW = {"D1", "D1-multicast-only", "D13", "D13-5s", "D14", "D14-connection", "D14-lan", "D14-service"} | {
    *("M2", "M21", "M22", "M26", "S9", "D17")
}
"""Quirks that cost seconds; only the long run has them."""

ONLY_PERMANENT, NO_ZERO = ("M1", "M15", "M27"), ("M2", "M22", "M32")

CONTRADICTORY = [
    *({permanent, finite} for permanent in ONLY_PERMANENT for finite in NO_ZERO),
    {"M6", "M33"},
    {"P6", "P21"},
    {"H9", "H13"},
    {"H9", "S9"},
    {"M11", "M29"},
    {"D15", "H11"},
]
"""Rows that leave no request that the gateway accepts, or no way to find an entry or a service. With D15 and
H11, the idle connection that was redirected counts as the only one."""


ROWS = {"upnp": "DHSM", "pcp": "P", "natpmp": "P"}


def _row(name: str) -> str:
    return name.partition("-")[0]


def combinations(count: int, seed: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield backends with pairs and triples of quirks, at most one variant of each row."""
    chance = random.Random(seed)
    thorough = count > 50
    while count:
        backend = chance.choice(["upnp", "upnp", "upnp", "pcp", "natpmp"])
        usable = sorted(
            name
            for name in QUIRKS.keys() - CLOSED - CLOSED_OVER[backend]
            if name[0] in ROWS[backend] and (thorough or name not in SLOW)
        )
        chosen = chance.sample(usable, chance.choice([2, 3]))
        is_possible = not any(len(pair & {_row(n) for n in chosen}) > 1 for pair in CONTRADICTORY)
        if len({_row(name) for name in chosen}) == len(chosen) and is_possible:
            count -= 1
            yield backend, tuple(chosen)


@pytest.mark.parametrize(
    ("backend", "quirks"), [pytest.param(b, q, id=f"{b}-{'+'.join(q)}") for b, q in combinations(COUNT, SEED)]
)
async def test_a_port_opens_with_several_quirks_at_once(
    new_harness: Any, desired: Any, backend: str, quirks: tuple[str, ...]
) -> None:
    """It is renewed and closed too."""
    harness = await new_harness(*quirks, backends=[backend])
    entry = await harness.open(desired(conflict=ConflictPolicy.NEXT))
    assert entry.state is MappingState.ACTIVE, entry.error
    assert harness.ports() == {entry.lease.external_port}
    await harness.renew(entry)
    assert entry.state is MappingState.ACTIVE, entry.error
    await harness.close_all()
