"""Gateways that are another one after each restart, or come back when nothing of ours stands any more."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
from netlab.gateway import HTTP_PORT, IGD2_AND_PCP, UPNP_ONLY, Variant
from netlab.keeping import Kept
from netlab.lab import Lab
from netlab.program import Program

WAYS = (("TCP", 8080), ("UDP", 8081), ("TCP", 8082), ("UDP", 8083))
BACKENDS = [pytest.param((), id="any"), pytest.param(("--backend", "upnp"), id="upnp")]
BOOT_TIME = 4.0  # a search that began with the last boot has ended
SHORT = Variant("short-leases", extra=("min_lifetime=5",))
LIFETIME = 8


@pytest.fixture
def kept(lab: Lab, program: Program, tmp_path: Path) -> Kept:
    """Four mappings on the LAN host of the shared lab."""
    kept = Kept(lab, program, tmp_path)
    kept.ways = WAYS
    return kept


@pytest.mark.parametrize("variant", [IGD2_AND_PCP, UPNP_ONLY], ids=lambda variant: variant.name)
def test_a_gateway_with_another_name_and_port_after_each_crash_is_heard(
    kept: Kept, lab: Lab, variant: Variant
) -> None:
    """Some make up their unique name anew, and serve their description on any port."""
    lab.gateway.reset(dataclasses.replace(variant, extra=()))
    with kept.daemon("-n", "60"):
        took = []
        for boot in (1, 2):
            time.sleep(BOOT_TIME)
            lab.gateway.kill()
            lab.gateway.empty()
            name = f"uuid=5d1f2c30-0000-4000-8000-00000000010{boot}"
            lab.gateway.variant = dataclasses.replace(variant, http_port=HTTP_PORT + boot, extra=(name,))
            before = time.monotonic()
            lab.gateway.start()
            took.append(kept.until_open(before, 10))
    print("another name and port:", variant.name, [f"{seconds:.2f} s" for seconds in took])
    assert max(took) <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_leases_that_ran_out_while_the_gateway_had_no_power_are_back_with_it(
    kept: Kept, lab: Lab, backend: tuple[str, ...]
) -> None:
    """Nothing refuses a connection then, and no mapping holds a lease when it announces itself."""
    lab.gateway.reset(SHORT)
    kept.write(WAYS, duration=LIFETIME)
    with kept.daemon(*backend, "-n", "60"):
        lab.router.ip("link", "set", "lan0", "down")
        try:
            lab.gateway.kill()
            lab.gateway.empty()
            kept.until(lambda: kept.backends() == {None}, "run out", 4 * LIFETIME)
        finally:
            lab.router.ip("link", "set", "lan0", "up")
        before = time.monotonic()
        lab.gateway.start()
        took = kept.until_open(before, 10)
    print("no power:", backend, f"{took:.2f} s")
    assert took <= 2
