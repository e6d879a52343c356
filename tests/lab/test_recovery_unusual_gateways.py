"""Recovery with gateways that change their name at a restart, or return after all leases expired."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
from netlab.gateway import IGD2_AND_PCP, UPNP_ONLY, Variant
from netlab.lab import Lab
from netlab.managed_daemon import ManagedDaemon
from netlab.models import MODEL
from netlab.program import Program

ENDPOINTS = (("TCP", 8080), ("UDP", 8081), ("TCP", 8082), ("UDP", 8083))
BACKENDS = [pytest.param((), id="any"), pytest.param(("--backend", "upnp"), id="upnp")]
BOOT_TIME = 4.0  # wait until a search from the last boot has ended
SHORT = Variant("short-leases", extra=("min_lifetime=5",))
LIFETIME = 8


@pytest.fixture
def managed(lab: Lab, program: Program, tmp_path: Path) -> ManagedDaemon:
    """A daemon with four mappings on the LAN host of the shared lab."""
    managed = ManagedDaemon(lab, program, tmp_path)
    managed.endpoints = ENDPOINTS
    return managed


@pytest.mark.parametrize("variant", [IGD2_AND_PCP, UPNP_ONLY], ids=lambda variant: variant.name)
def test_a_gateway_with_a_new_name_and_port_after_a_crash_is_recognized(
    managed: ManagedDaemon, lab: Lab, variant: Variant
) -> None:
    """Some gateways generate a new unique name, and use any port for the description."""
    lab.gateway.reset(dataclasses.replace(variant, extra=()))
    with managed.daemon("-n", "60"):
        took = []
        for boot in (1, 2):
            time.sleep(BOOT_TIME)
            lab.gateway.kill()
            lab.gateway.empty()
            name = f"uuid=5d1f2c30-0000-4000-8000-00000000010{boot}"
            lab.gateway.variant = dataclasses.replace(
                variant, http_port=MODEL.http_port + boot, extra=(name,)
            )
            before = time.monotonic()
            lab.gateway.start()
            took.append(managed.until_open(before, 10))
    print("another name and port:", variant.name, [f"{seconds:.2f} s" for seconds in took])
    assert max(took) <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_leases_that_expired_during_an_outage_are_reopened(
    managed: ManagedDaemon, lab: Lab, backend: tuple[str, ...]
) -> None:
    """The gateway does not refuse connections, and no mapping has a lease when it returns."""
    lab.gateway.reset(SHORT)
    managed.write(ENDPOINTS, duration=LIFETIME)
    with managed.daemon(*backend, "-n", "60"):
        lab.router.ip("link", "set", "lan0", "down")
        try:
            lab.gateway.kill()
            lab.gateway.empty()
            managed.until(lambda: managed.backends() == {None}, "run out", 4 * LIFETIME)
        finally:
            lab.router.ip("link", "set", "lan0", "up")
        before = time.monotonic()
        lab.gateway.start()
        took = managed.until_open(before, 20)
    print("no power:", backend, f"{took:.2f} s")
    assert took <= 5
