"""A node dies, pauses or stops, and the other one takes over."""

from __future__ import annotations

import contextlib
import itertools
import signal
import time

import pytest
from netlab.changes import ChangeLog
from netlab.hosts import exchange
from netlab.lab import WAN_GATEWAY
from netlab.program import Running

from .kubelab import VIRTUAL, KubeLab, leads, port_mapping, service, wait_until
from .probes import Probes

FOLLOWS = "on standby"
"""What a follower logs."""

PORTS = {f"p{number}": number for number in range(18000, 18050)}

FIRST_LATE = 19000
"""The port that is added at the first kill; each kill adds one."""

PROBE_TIMEOUT = 0.15

HARMLESS_GAP = 8
"""Queries in a row, 0.4 s. miniupnpd replaces its own rule at each renewal, which a busy kernel delays."""


class Killing:
    """Two nodes, of which the leading one is killed again and again.

    Attributes:
        took: for each kill, the seconds until old ports answered, and until the new port did.
        terms: the time of each kill, with the node that led afterwards.
    """

    def __init__(self, kube: KubeLab, backend: str, within: float) -> None:
        self.took: list[tuple[float, float]] = []
        self.terms: list[tuple[float, str]] = []
        self._kube = kube
        self._words = ("--backend", backend, "--health-listen", "0.0.0.0:8081")
        self._within = within
        self._stack = contextlib.ExitStack()
        self._running: dict[str, Running] = {}

    def __enter__(self) -> Killing:
        self.terms.append((time.monotonic(), "a"))
        first = self.start("a")
        wait_until(lambda: leads(first), "leading")
        wait_until(lambda: len(self._kube.open_ports()) == len(PORTS), "open")
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start(self, name: str) -> Running:
        """Start the controller of a node."""
        self._running[name] = self._stack.enter_context(self._kube.controller(name, *self._words))
        return self._running[name]

    def kill(self, leader: str, follower: str) -> None:
        """Kill the leader's node, and wait until everything works on the other node."""
        second = self.start(follower)
        wait_until(lambda: FOLLOWS in second.log, "following")
        self._kube.set_link(leader, up=False)
        self._running[leader].process.kill()
        killed = time.monotonic()
        self.terms.append((killed, follower))
        self._kube.move_address(follower)
        late = FIRST_LATE + len(self.took)
        self._kube.api.apply(port_mapping(f"late{late}", port=late, address=VIRTUAL))
        wait_until(lambda: self._answers(18000) and self._answers(18049), "answered", self._within)
        answered = time.monotonic() - killed
        wait_until(lambda: self._answers(late), "answered", self._within + 1)
        self.took.append((answered, time.monotonic() - killed))
        self._expect_all(follower, late)
        self._kube.set_link(leader, up=True)

    def _expect_all(self, name: str, late: int) -> None:
        """Wait until the node has renewed everything: no mapping is lost, and none is open twice.

        Until then, a port may be missing for a moment: miniupnpd replaces its own rule at each renewal.
        """
        expected = {*PORTS.values(), *range(FIRST_LATE, late + 1)}
        # Over PCP, the gateway refuses to renew a mapping with another nonce than the one that opened it.
        active = 'mappings{state="active"}'
        wait_until(lambda: self._kube.metric(name, active) == len(expected), "renewed by the other node")
        wait_until(lambda: self._kube.open_ports() == expected, "all open")

    def _answers(self, port: int) -> bool:
        return exchange(self._kube.lab.wan, "TCP", WAN_GATEWAY, port, PROBE_TIMEOUT) is not None


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("backend", ["pcp", "natpmp", "upnp"])
def test_the_other_node_takes_over_when_the_leaders_node_dies(
    kube: KubeLab, backend: str, kills: int, within: float
) -> None:
    """Old ports answer at once, and a port that was added at that moment opens too."""
    kube.api.apply(service("web", PORTS, ports="all"))
    kube.api.set_ingress("web")
    kube.listen(18000, 18049, *range(FIRST_LATE, FIRST_LATE + kills))
    with ChangeLog(kube.lab.router) as log, Killing(kube, backend, within) as killing:
        for number in range(kills):
            killing.kill(*("ab" if number % 2 == 0 else "ba"))
    old, new = zip(*killing.took, strict=True)
    print(f"{backend}, {kills} kills: old ports after {max(old):.2f} s, a new one after {max(new):.2f} s")
    _expect_one_sender_in_each_term(kube, log, killing)
    assert all(len(nonces) == 1 for nonces in log.nonces().values())
    assert bool(log.nonces()) is (backend == "pcp")


def _expect_one_sender_in_each_term(kube: KubeLab, log: ChangeLog, killing: Killing) -> None:
    ends = [*(at for at, _ in killing.terms[1:]), time.monotonic()]
    for (begin, leader), end in zip(killing.terms, ends, strict=True):
        assert log.senders(begin, end) == {kube.mac(leader)}


def test_an_orderly_stop_hands_over_and_leaves_the_ports_open(kube: KubeLab) -> None:
    """The Lease is released, so the other node need not wait for its end."""
    kube.api.apply(port_mapping("game", port=17777, address=VIRTUAL))
    with kube.controller("a") as a:
        wait_until(lambda: kube.open_ports() == {17777}, "open")
        with kube.controller("b") as b:
            wait_until(lambda: FOLLOWS in b.log, "following")
            a.process.send_signal(signal.SIGTERM)
            took = wait_until(lambda: leads(b), "handed over")
            print(f"handed over {took:.2f} s after the signal")
            assert a.process.wait(20) == 0
            assert kube.leader() == "node-b"
            assert kube.open_ports() == {17777}


def test_a_rolling_update_and_scaling_to_zero_leave_no_gap(kube: KubeLab) -> None:
    """Twenty queries per second are answered all the time, although every replica is replaced."""
    kube.api.apply(port_mapping("game", port=17777, address=VIRTUAL, protocol="Both"))
    with contextlib.ExitStack() as stack:
        a = stack.enter_context(kube.controller("a"))
        wait_until(lambda: len(kube.lab.gateway.rules()) == 2, "open")
        b = stack.enter_context(kube.controller("b"))
        wait_until(lambda: FOLLOWS in b.log, "following")
        with Probes(kube.lab.wan, 17777, kube.hosts["a"], VIRTUAL) as probes:
            for name in itertools.islice(itertools.cycle("ab"), 4):
                old, other = (a, b) if name == "a" else (b, a)
                assert old.end() == 0
                wait_until(lambda other=other: leads(other), "led by the other replica")
                new = stack.enter_context(kube.controller(name))
                wait_until(lambda new=new: FOLLOWS in new.log, "replaced")
                a, b = (new, b) if name == "a" else (a, new)
            for replica in (b, a):
                assert replica.end() == 0
            last = stack.enter_context(kube.controller("a"))
            wait_until(lambda: leads(last), "led again")
            assert last.end() == 0
    print(f"{len(probes.answered)} queries, {probes.answered.count(False)} without an answer")
    assert len(probes.answered) > 20
    assert probes.longest_gap <= HARMLESS_GAP
    assert kube.open_ports() == {17777}


def test_a_paused_leader_sends_nothing_after_it_continues(kube: KubeLab) -> None:
    """It ends with status 5, because another node may lead."""
    kube.api.apply(port_mapping("game", port=17777, address=VIRTUAL))
    with ChangeLog(kube.lab.router) as log, kube.controller("a") as a:
        wait_until(lambda: kube.open_ports() == {17777}, "open")
        wait_until(lambda: log.senders(0, time.monotonic()) == {kube.mac("a")}, "recorded")
        with kube.controller("b") as b:
            wait_until(lambda: FOLLOWS in b.log, "following")
            a.process.send_signal(signal.SIGSTOP)
            paused = time.monotonic()
            kube.move_address("b")
            wait_until(lambda: leads(b), "taken over")
            kube.api.kubectl("delete", "portmapping", "game", "--timeout=30s", "--wait=false")
            kube.api.apply(port_mapping("other", port=17778, address=VIRTUAL))
            wait_until(lambda: kube.open_ports() == {17778}, "open")
            a.process.send_signal(signal.SIGCONT)
            assert a.process.wait(20) == 5
            assert kube.open_ports() == {17778}
        assert log.senders(paused, time.monotonic()) == {kube.mac("b")}
