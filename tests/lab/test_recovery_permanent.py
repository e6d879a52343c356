"""A gateway with permanent leases only (725)."""

from __future__ import annotations

import time
from pathlib import Path

from netlab.lab import LAN_GATEWAY, WAN_GATEWAY, Lab
from netlab.managed_daemon import ENDPOINTS, ManagedDaemon
from netlab.program import Program

PLACES = ("--host", LAN_GATEWAY, "--external-host", WAN_GATEWAY, "--external-address", WAN_GATEWAY)


def test_permanent_leases_are_released_on_removal_and_on_exit(own_lab: Lab, tmp_path: Path) -> None:
    """They never expire, so portmapper must close them, also after a crash."""
    router = Program(own_lab.router, tmp_path).running(
        "simulate", *PLACES, "--quirk", "M1", "--json", log=tmp_path / "router.log"
    )
    with router as gateway:
        gateway.until(lambda: gateway.output.endswith("\n"), "ready")
        managed = ManagedDaemon(own_lab, Program(own_lab.lan, tmp_path), tmp_path)
        managed.expected_peer = LAN_GATEWAY
        with managed.daemon("--backend", "upnp", "-n", "2"):
            assert all(mapping["permanent"] for mapping in managed.status()["mappings"])
            managed.kill()
        managed.write(ENDPOINTS[1:])
        with managed.daemon("--backend", "upnp", "-n", "2", "--close-ports-on-exit") as daemon:
            managed.until(lambda: not managed.answers(ENDPOINTS[0]), "the removed one closed")
            time.sleep(3)  # wait for a verification
            assert all(managed.answers(endpoint) for endpoint in managed.endpoints)
            assert daemon.end() == 0
        assert not any(managed.answers(endpoint) for endpoint in ENDPOINTS)
