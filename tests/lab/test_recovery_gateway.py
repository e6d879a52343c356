"""The gateway restarts, is away, changes its address, loses a protocol: the ports come back by themselves."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from netlab.faults import Counter, deaf
from netlab.gateway import IGD2_AND_PCP, Variant
from netlab.keeping import Kept
from netlab.lab import WAN_GATEWAY, Lab
from netlab.prober import Prober
from netlab.program import Program

BACKENDS = [
    pytest.param((), id="any"),
    *(pytest.param(("--backend", name), id=name) for name in IGD2_AND_PCP.backends),
]
NEW_EPOCH = Variant("new-epoch", extra=())
REPETITIONS = 3
BOOT_TIME = 2.0  # no gateway restarts within one
INTERVAL = 5
AWAY = 20.0
OTHER_WAN_ADDRESS = "11.22.33.9"


@pytest.fixture
def kept(lab: Lab, program: Program, tmp_path: Path) -> Kept:
    """Four mappings on the LAN host of the shared lab."""
    return Kept(lab, program, tmp_path)


def restarted(lab: Lab) -> float:
    """Restart the gateway with an empty table; the moment of its first sign of life."""
    lab.gateway.stop()
    lab.gateway.empty()
    before = time.monotonic()
    lab.gateway.start()
    return before


@pytest.mark.parametrize("variant", [IGD2_AND_PCP, NEW_EPOCH], ids=["same-epoch", "new-epoch"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_restart_with_an_empty_table_is_over_within_two_seconds(
    kept: Kept, lab: Lab, backend: tuple[str, ...], variant: Variant
) -> None:
    """From the start of the gateway's process, by its announcement."""
    lab.gateway.reset(variant)
    with kept.daemon(*backend, "-n", "60"):
        took = []
        for _ in range(REPETITIONS):
            time.sleep(BOOT_TIME)
            took.append(kept.until_open(restarted(lab), 10))
        kept.until(
            lambda: lab.gateway.rules() == kept.wanted_rules(), "as listed"
        )  # a renewal lacks one briefly
    print("restart:", backend, [f"{seconds:.2f} s" for seconds in took])
    assert max(took) <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_crash_without_a_goodbye_is_over_within_two_seconds(
    kept: Kept, lab: Lab, backend: tuple[str, ...]
) -> None:
    """A router that lost its power says nothing before it is back."""
    lab.gateway.reset(NEW_EPOCH)
    with kept.daemon(*backend, "-n", "60"):
        time.sleep(BOOT_TIME)
        lab.gateway.kill()
        lab.gateway.empty()
        before = time.monotonic()
        lab.gateway.start()
        took = kept.until_open(before, 10)
    print("crash:", backend, f"{took:.2f} s")
    assert took <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_lost_announcement_costs_one_interval_at_most(
    kept: Kept, lab: Lab, backend: tuple[str, ...]
) -> None:
    """The epoch went back, or the table lacks what it had: the next look shows it."""
    lab.gateway.reset(NEW_EPOCH)
    with kept.daemon(*backend, "-n", str(INTERVAL)), deaf(lab.lan):
        time.sleep(3)  # the epoch's rules tolerate two seconds
        took = kept.until_open(restarted(lab), 30)
        kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), "as listed")
    print("restart unannounced:", backend, f"{took:.2f} s")
    assert took <= INTERVAL + 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_gateway_that_is_away_for_long_is_asked_now_and_then(
    kept: Kept, lab: Lab, backend: tuple[str, ...]
) -> None:
    """Few packets, one line for each mapping, no growth; and its return is noticed at once."""
    with kept.daemon(*backend, "-n", str(INTERVAL)) as daemon, Counter(lab.lan) as counter:
        time.sleep(BOOT_TIME)  # until every search has ended
        descriptors, lines = kept.descriptors(), len(daemon.log.splitlines())
        lab.gateway.stop()
        lab.gateway.empty()
        time.sleep(AWAY / 2)
        half = len(daemon.log.splitlines())
        packets = counter.packets
        time.sleep(AWAY / 2)
        packets, said = counter.packets - packets, daemon.log.splitlines()
        before = time.monotonic()
        lab.gateway.start()
        took = kept.until_open(before, 10)
        grown = kept.until(lambda: kept.descriptors() <= descriptors, "as many descriptors as before")
    print(
        "away:",
        backend,
        f"{took:.2f} s, {packets / AWAY * 2:.1f} packets/s, lines {half - lines}"
        f" then {len(said) - half}, descriptors after {grown:.1f} s",
    )
    assert took <= 2
    assert len(said) - lines <= 2 * len(kept.ways) + 4, "\n".join(said)
    assert len(said) == half
    assert packets / AWAY * 2 <= 20


@pytest.mark.parametrize("backend", BACKENDS)
def test_another_external_address_is_known_within_an_interval(
    kept: Kept, lab: Lab, backend: tuple[str, ...]
) -> None:
    """Nobody announces it; the leases stay, and the ports answer under the new address."""
    lab.gateway.reset(Variant("follows-its-interface", external_address=None, extra=("system_uptime=yes",)))
    with kept.daemon(*backend, "-n", str(INTERVAL)):
        kept.until(lambda: kept.external_addresses() == {WAN_GATEWAY}, "known")
        try:
            change_address(lab, OTHER_WAN_ADDRESS)
            kept.asks = OTHER_WAN_ADDRESS
            known = {OTHER_WAN_ADDRESS}
            took = kept.until(lambda: kept.external_addresses() == known, "told", INTERVAL + 5)
            kept.until_open(time.monotonic(), 2)
            kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), "as listed")
            assert kept.events("external_address_changed")
            assert kept.events("lost") == []
        finally:
            change_address(lab, WAN_GATEWAY)
    print("external address:", backend, f"{took:.2f} s")
    assert took <= INTERVAL + 1


def change_address(lab: Lab, address: str) -> None:
    """Give the gateway another outside address while it runs, in one go."""
    before = WAN_GATEWAY if address == OTHER_WAN_ADDRESS else OTHER_WAN_ADDRESS
    steps = f"addr add {address}/24 dev wan0\naddr del {before}/24 dev wan0\n"
    lab.router.run("sysctl", "-qw", "net.ipv4.conf.wan0.promote_secondaries=1")
    lab.router.run("ip", "-batch", "-", stdin=steps)
    if lab.gateway.pid is not None:
        os.kill(lab.gateway.pid, signal.SIGUSR1)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(Variant("pcp", upnp=False), Variant("upnp", natpmp=False), id="pcp-to-upnp"),
        pytest.param(Variant("upnp", natpmp=False), Variant("pcp", upnp=False), id="upnp-to-pcp"),
    ],
)
def test_the_mappings_move_when_their_protocol_is_switched_off(
    kept: Kept, lab: Lab, first: Variant, then: Variant
) -> None:
    """The gateway keeps its rules; no prober outside sees a port closed meanwhile."""
    lab.gateway.reset(first)
    kept.write(kept.ways, duration=20)
    with kept.daemon("-n", str(INTERVAL)), ExitStack() as watches:
        probers = [watches.enter_context(Prober(partial(kept.lab.ask_from_wan, *way))) for way in kept.ways]
        lab.gateway.stop()
        lab.gateway.variant = then
        before = time.monotonic()
        lab.gateway.start()
        # Which of those comes first is a matter of milliseconds while it boots.
        kept.until(lambda: set() < kept.backends() <= {*then.backends}, "moved", 40)
        took = time.monotonic() - before
        kept.until(lambda: kept.status()["mappings"] and time.monotonic() > before + 24, "watched", 30)
        kept.until(lambda: lab.gateway.rules() == kept.wanted_rules(), "as listed")
    print("protocol lost:", first.name, "to", then.name, f"{took:.2f} s")
    assert [prober.outages for prober in probers] == [[] for _ in kept.ways]
