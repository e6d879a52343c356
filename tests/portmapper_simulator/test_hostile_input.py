"""Invalid packets do not stop the gateway."""

from __future__ import annotations

import random
from typing import Any

import pytest

from portmapper_simulator.natpmp_server import answer_natpmp
from portmapper_simulator.pcp_server import answer_pcp

SEEDS = (
    b"\x02\x01\x00\x00\x00\x00\x02\x58" + bytes(10) + b"\xff\xff\x7f\x00\x00\x01"
    b"nonce-nonce-\x06\x00\x00\x00\x1f\x90\x1f\x90" + bytes(10) + b"\xff\xff\x00\x00\x00\x00"
    b"\x01\x00\x00\x10" + bytes(10) + b"\xff\xff\x7f\x00\x00\x05\x02\x00\x00\x00",
    b"\x00\x02\x00\x00\x1f\x90\x1f\x90\x00\x00\x02\x58",
)
"""A PCP request with two options, and a NAT-PMP request."""


ROUNDS = 2000


def mangled(chance: random.Random, data: bytes) -> bytes:
    """Change, cut and lengthen a packet."""
    changed = bytearray(data)
    for _ in range(chance.randrange(4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    end = chance.choice([len(changed), chance.randrange(len(changed) + 1)])
    return bytes(changed[:end]) + chance.randbytes(chance.choice([0, 0, 4, 33]))


@pytest.mark.parametrize("answer", [answer_pcp, answer_natpmp])
async def test_mangled_packets_are_answered_or_dropped(start: Any, answer: Any) -> None:
    """There is no exception, no oversized answer, and no oversized table."""
    gateway = await start(relay=False, max_mappings=50)
    chance = random.Random(6887)
    for _ in range(ROUNDS):
        reply = await answer(gateway.state, mangled(chance, chance.choice(SEEDS)), "127.0.0.1")
        assert reply is None or len(reply) <= 1100
    assert 0 < len(gateway.table) <= 50
