"""Fuzz the parser for PCP replies."""

from __future__ import annotations

from harness import fuzz, instrumented

with instrumented():
    from portmapper_pcp.pcp_codec import Opcode, read_reply


HEADER = "0281000000000e1000000e10" + 24 * "0"
SEEDS = [
    bytes.fromhex(HEADER + 24 * "1" + "06000000 1f901f90" + 20 * "0" + "ffff0b16212c"),
    bytes.fromhex("0280000000000000 00000e10" + 24 * "0"),
    bytes.fromhex("0081000100000000"),
]


def parse(data: bytes) -> None:
    """Parse a datagram; only replies to MAP may have a mapping."""
    reply = read_reply(data)
    assert (reply.mapping is not None) == (reply.opcode == Opcode.MAP)


if __name__ == "__main__":
    fuzz(parse, SEEDS)
