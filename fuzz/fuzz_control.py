"""Fuzz the parser for the records in requests to the control API."""

from __future__ import annotations

import json

from harness import fuzz, instrumented

with instrumented():
    from portmapper.sources.adhoc import parse_records

SEEDS = [
    b'[{"port": 8080, "protocol": "TCP"}]',
    b'[{"port": "2722-2723", "protocol": "both", "address": "192.168.88.5", "internal_port": 80}]',
    b'[{"port": "any", "protocol": "udp", "internal_port": 1, "duration": 0, "comment": "x"}]',
    b'[[], {}, null, 1, "a"]',
]


def parse(data: bytes) -> None:
    """Parse the records of a request; invalid JSON never reaches the parser."""
    try:
        records = json.loads(data)
    except (ValueError, RecursionError):
        return
    parse_records(records)


if __name__ == "__main__":
    fuzz(parse, SEEDS)
