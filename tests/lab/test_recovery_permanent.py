"""A gateway that grants permanent leases only (725): nothing outlives its wish there either."""

from __future__ import annotations

import time
from pathlib import Path

from netlab.keeping import WAYS, Kept
from netlab.lab import LAN_GATEWAY, WAN_GATEWAY, Lab
from netlab.program import Program

PLACES = ("--host", LAN_GATEWAY, "--external-host", WAN_GATEWAY, "--external-address", WAN_GATEWAY)


def test_permanent_leases_are_released_on_removal_and_on_exit_also_after_a_crash(
    own_lab: Lab, tmp_path: Path
) -> None:
    """They never expire, so whoever opened them has to close them."""
    router = Program(own_lab.router, tmp_path).running(
        "simulate", *PLACES, "--quirk", "M1", "--json", log=tmp_path / "router.log"
    )
    with router as gateway:
        gateway.until(lambda: gateway.output.endswith("\n"), "ready")
        kept = Kept(own_lab, Program(own_lab.lan, tmp_path), tmp_path)
        kept.heard_from = LAN_GATEWAY
        with kept.daemon("--backend", "upnp", "-n", "2"):
            assert all(mapping["permanent"] for mapping in kept.status()["mappings"])
            kept.kill()
        kept.write(WAYS[1:])
        with kept.daemon("--backend", "upnp", "-n", "2", "--close-ports-on-exit") as daemon:
            kept.until(lambda: not kept.answers(WAYS[0]), "the removed one closed")
            time.sleep(3)  # a look that verifies them
            assert all(kept.answers(way) for way in kept.ways)
            assert daemon.end() == 0
        assert not any(kept.answers(way) for way in WAYS)
