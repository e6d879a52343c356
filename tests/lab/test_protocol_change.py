"""Recovery from a crash after which the gateway speaks another protocol, with an empty table."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from netlab.faults import Counter, without_multicast
from netlab.gateway import Variant
from netlab.lab import Lab
from netlab.managed_daemon import ManagedDaemon
from netlab.program import Program

PCP = Variant("pcp", upnp=False)
UPNP = Variant("upnp", natpmp=False)
CHANGES = [pytest.param(UPNP, PCP, id="upnp-to-pcp"), pytest.param(PCP, UPNP, id="pcp-to-upnp")]
INTERVAL = 10
SEARCH_ENDED = 8.0
"""Seconds. The first search waits seven for UPnP. Until it has ended, a protocol that appears may only have
answered late, so it is no sign of a restart."""

AWAY = 12.0
MARGIN = 1.5  # of a busy machine; at most 2.2 s were measured


@pytest.fixture
def managed(lab: Lab, program: Program, tmp_path: Path) -> ManagedDaemon:
    """A daemon with four mappings on the LAN host of the shared lab."""
    return ManagedDaemon(lab, program, tmp_path)


@pytest.mark.parametrize("away", [0.0, AWAY])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "unannounced"])
@pytest.mark.parametrize(("first", "then"), CHANGES)
def test_another_protocol_after_a_crash_opens_every_port(
    managed: ManagedDaemon, lab: Lab, first: Variant, then: Variant, announced: bool, away: float
) -> None:
    """Within five seconds of the announcement, otherwise within an interval and five seconds."""
    lab.gateway.reset(first)
    heard = contextlib.nullcontext() if announced else without_multicast(lab.lan)
    with managed.daemon("-n", str(INTERVAL)), heard:
        time.sleep(SEARCH_ENDED)
        lab.gateway.kill()
        lab.gateway.empty()
        with Counter(lab.lan) as sent:
            time.sleep(away)
            packets = sent.packets
        lab.gateway.variant = then
        before = time.monotonic()
        lab.gateway.start()
        took = managed.until_open(before, 60)
    how = "announced" if announced else "unannounced"
    print(f"{first.name} to {then.name}, {how}, away {away:.0f} s: {took:.2f} s, {packets} packets meanwhile")
    assert took <= 5 + (MARGIN if announced else INTERVAL)
