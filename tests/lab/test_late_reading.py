"""A gateway that speaks every protocol: UPnP is loaded only when something needs it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from netlab.gateway import Variant
from netlab.lab import LAN_GATEWAY, Lab
from netlab.managed_daemon import ManagedDaemon
from netlab.program import Program

ALL = ("--backend", "pcp", "--backend", "natpmp", "--backend", "upnp")
"""The standard backends. Those of extras load aiohttp for purposes of their own."""

STARTS = 3
"""On a busy machine, PCP may answer too late to be waited for."""

UPNP = Variant("upnp", natpmp=False)


@pytest.fixture
def managed(lab: Lab, program: Program, tmp_path: Path) -> ManagedDaemon:
    """A daemon with four mappings on the LAN host of the shared lab."""
    return ManagedDaemon(lab, program, tmp_path)


def has_loaded_upnp(managed: ManagedDaemon) -> bool:
    """Tell whether the daemon has loaded the HTTP library of UPnP."""
    return "/multidict/" in Path(f"/proc/{managed.running.process.pid}/maps").read_text()


def gateways(managed: ManagedDaemon) -> dict[str, Any]:
    """Return the gateways in `status`, by backend."""
    return {gateway["backend"]: gateway for gateway in managed.status()["gateways"]}


def test_upnp_is_not_loaded_while_pcp_opens_every_port(managed: ManagedDaemon, lab: Lab) -> None:
    """The status still shows the gateway; a row for UPnP loads it and is open soon."""
    for _ in range(STARTS):
        with managed.daemon(*ALL):
            time.sleep(5.0)  # the search has ended
            if not has_loaded_upnp(managed):
                break
    else:
        pytest.fail("UPnP was loaded at every start")
    with managed.daemon(*ALL):
        time.sleep(5.0)
        found = gateways(managed)
        assert (found["upnp"]["address"], found["upnp"]["answers"]) == (LAN_GATEWAY, True)
        assert "MiniUPnPd" in found["upnp"]["model"]
        assert found["upnp"]["external_address"] == found["pcp"]["external_address"]
        listed = managed.file.read_text().splitlines()
        rows = [f"{listed[0]};backend", *(f"{row};" for row in listed[1:]), "TCP;8090;600;upnp"]
        managed.file.write_text("\n".join(rows) + "\n")
        lab.servers.listen("TCP", 8090)
        managed.endpoints = (*managed.endpoints, ("TCP", 8090))
        took = managed.until_open(time.monotonic(), 30)
        print(f"open over UPnP after {took:.2f} s")
        assert took <= 6.0
        assert gateways(managed)["upnp"]["protocol"].startswith("IGD ")


def test_upnp_takes_over_when_the_gateway_has_only_that_left(managed: ManagedDaemon, lab: Lab) -> None:
    """After a restart with other settings, within an interval and five seconds."""
    with managed.daemon("-n", "10", *ALL):
        time.sleep(5.0)
        lab.gateway.kill()
        lab.gateway.empty()
        lab.gateway.variant = UPNP
        before = time.monotonic()
        lab.gateway.start()
        took = managed.until_open(before, 60)
        print(f"open over UPnP after {took:.2f} s")
        assert took <= 5 + 1.5
