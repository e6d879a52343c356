"""TCP and UDP of a row have one external port, also on a gateway where another host has the number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from netlab.firewalls import Rule
from netlab.gateway import Variant
from netlab.lab import LAN_HOST, Lab
from netlab.namespaces import Namespace
from netlab.program import Program

PORT = 8080
OTHER_HOST = "192.168.88.3"
PROTOCOLS = ("TCP", "UDP")


@pytest.fixture
def neighbor(own_lab: Lab) -> Namespace:
    """Another host that maps ports over UPnP."""
    own_lab.gateway.reset(Variant("careless", secure=False))
    return own_lab.add_lan_host("other", OTHER_HOST)


@pytest.fixture
def program(own_lab: Lab, tmp_path: Path) -> Program:
    """portmapper on the LAN host."""
    return Program(own_lab.lan, tmp_path)


def take(lab: Lab, neighbor: Namespace, port: int, protocol: str) -> Rule:
    """Map a port to the neighbor."""
    upnpc = ("upnpc", "-u", lab.gateway.description_url, "-a", OTHER_HOST)
    neighbor.run(*upnpc, str(port), str(port), protocol)
    return Rule(protocol, port, OTHER_HOST, port)


def states(document: Any) -> list[tuple[str, int, str]]:
    """Return protocol, external port and state of each mapping."""
    return [(m["protocol"], m["external_port"], m["state"]) for m in document["mappings"]]


@pytest.mark.parametrize("taken", ["TCP", "UDP"])
@pytest.mark.parametrize("backend", ["pcp", "natpmp", "upnp"])
def test_a_pair_gets_the_next_number_that_is_free_for_both(
    own_lab: Lab, neighbor: Namespace, program: Program, tmp_path: Path, backend: str, taken: str
) -> None:
    """Both halves answer the WAN host there, and nothing of ours is left at the first number."""
    rule = take(own_lab, neighbor, PORT, taken)
    listed = tmp_path / "ports.csv"
    listed.write_text(f"port;protocol;conflict\n{PORT};both;next\n")
    options = ("--state-dir", str(tmp_path / "state"), "--backend", backend, "-n", "5")
    with program.running("run", *options, str(listed), log=tmp_path / "log") as daemon:

        def ours() -> set[Rule]:
            return set(own_lab.gateway.rules()) - {rule}

        def is_open_at_one_number() -> bool:
            # A half that moves closes its peer for a moment on this gateway, which is repaired at once.
            ports = {r.external_port for r in ours()}
            port = next(iter(ports), PORT)
            return ours() == {Rule(p, port, LAN_HOST, PORT) for p in PROTOCOLS} and all(
                own_lab.reaches(p, port, PORT) for p in PROTOCOLS
            )

        daemon.until(is_open_at_one_number, "open at one number", 25)
        (port,) = {r.external_port for r in ours()}
        assert port != PORT
        status = program.run("status", "--json", "--state-dir", str(tmp_path / "state")).json()
        assert states(status) == [("TCP", port, "active"), ("UDP", port, "active")]
        assert daemon.end() == 0
