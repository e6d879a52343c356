"""Fuzz the parser for NAT-PMP replies and announcements."""

from __future__ import annotations

from harness import fuzz, instrumented

with instrumented():
    from portmapper_pcp.natpmp_codec import read_reply


SEEDS = [
    bytes.fromhex("0080000000000e10 0b16212c"),
    bytes.fromhex("0082000000000e10 1f901f90 00000e10"),
    bytes.fromhex("0080000100000000"),
]


def parse(data: bytes) -> None:
    """Parse a datagram; a reply must have a key."""
    assert read_reply(data).key


if __name__ == "__main__":
    fuzz(parse, SEEDS)
