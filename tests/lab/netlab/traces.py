"""What a test leaves behind in a lab that later tests share."""

from __future__ import annotations

import re
import time

from netlab.lab import Lab
from netlab.namespaces import Namespace

# A bridge is UNKNOWN until its first packet.
_STATE = re.compile(r"\b(UP|UNKNOWN) +")
_VIEWS = (
    ("ip", "-brief", "link"),
    ("ip", "-4", "-brief", "addr"),
    ("ip", "-4", "route"),
    ("ip", "-4", "rule"),
    ("nft", "list", "tables"),
    ("tc", "qdisc"),
)


SETTLE_TIME = 5.0
"""Seconds until the kernel reports that a link has its carrier again, and that a namespace is gone."""


def assert_as_before(lab: Lab, before: dict[str, list[str]]) -> None:
    """Assert that the lab is as it was, or becomes so soon."""
    deadline = time.monotonic() + SETTLE_TIME
    while state_of(lab) != before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert state_of(lab) == before


def state_of(lab: Lab) -> dict[str, list[str]]:
    """Return links, addresses, routes, tables of the firewall, delays and processes of each host."""
    return {host.name: _lines(host) for host in lab.topology.namespaces}


def _lines(host: Namespace) -> list[str]:
    lines = [_STATE.sub("", line).strip() for view in _VIEWS for line in host.run(*view).splitlines()]
    return [*lines, *(f"process {pid}" for pid in host.pids())]
