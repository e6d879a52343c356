"""A node dies, pauses or stops, and the other one takes over."""

from __future__ import annotations

import signal
import time

import pytest

from .kubelab import VIRTUAL, KubeLab, leads, port_mapping, service, wait_until

ANSWER_LIMIT = 15.0
"""Seconds within which the WAN must get an answer; on an idle machine it takes less than 4."""

FOLLOWS = "on standby"
"""What a follower logs."""

PORTS = {f"p{number}": number for number in range(18000, 18050)}


def _open_fifty(kube: KubeLab) -> None:
    kube.api.apply(service("web", PORTS, ports="all"))
    kube.api.set_ingress("web")
    kube.listen(18000, 18049, 19000)


@pytest.mark.parametrize("backend", ["pcp", "natpmp", "upnp"])
def test_the_other_node_takes_over_when_the_leaders_node_dies(kube: KubeLab, backend: str) -> None:
    """Old ports answer at once, and a port that was added at that moment opens too."""
    _open_fifty(kube)
    words = ("--backend", backend, "--health-listen", "0.0.0.0:8081")
    with kube.controller("a", *words) as a:
        wait_until(lambda: leads(a), "leading")
        wait_until(lambda: len(kube.open_ports()) == 50, "open")
        with kube.controller("b", *words) as b:
            wait_until(lambda: FOLLOWS in b.log, "following")
            kube.set_link("a", up=False)
            a.process.kill()
            killed = time.monotonic()
            kube.move_address("b")
            kube.api.apply(port_mapping("late", port=19000, address=VIRTUAL))
            wait_until(lambda: kube.answers(18000) and kube.answers(18049), "answered", ANSWER_LIMIT)
            answered = time.monotonic() - killed
            wait_until(lambda: kube.answers(19000), "answered", ANSWER_LIMIT)
            late = time.monotonic() - killed
            print(f"{backend}: old ports after {answered:.2f} s, a new one after {late:.2f} s")
            assert kube.open_ports() == {*PORTS.values(), 19000}
            assert leads(b)
            # Over PCP, the gateway refuses to renew a mapping for another nonce than that which opened it.
            wait_until(
                lambda: kube.metric("b", 'mappings{state="active"}') == 51, "renewed by the other node"
            )


def test_an_orderly_stop_hands_over_and_leaves_the_ports_open(kube: KubeLab) -> None:
    """The Lease is released, so the other node need not wait for its end."""
    kube.api.apply(port_mapping("game", port=17777, address=VIRTUAL))
    with kube.controller("a") as a:
        wait_until(lambda: kube.open_ports() == {17777}, "open")
        with kube.controller("b") as b:
            wait_until(lambda: FOLLOWS in b.log, "following")
            assert a.end() == 0
            took = wait_until(lambda: kube.leader() == "node-b", "handed over")
            print(f"handed over after {took:.2f} s")
            assert kube.open_ports() == {17777}


def test_a_paused_leader_sends_nothing_after_it_continues(kube: KubeLab) -> None:
    """It ends with status 5, because another node may lead."""
    kube.api.apply(port_mapping("game", port=17777, address=VIRTUAL))
    assert kube.count_changes("a") == 0
    with kube.controller("a", "--backend", "pcp") as a:
        wait_until(lambda: kube.open_ports() == {17777}, "open")
        assert kube.count_changes("a") > 0
        with kube.controller("b", "--backend", "pcp") as b:
            wait_until(lambda: FOLLOWS in b.log, "following")
            a.process.send_signal(signal.SIGSTOP)
            kube.move_address("b")
            wait_until(lambda: leads(b), "taken over")
            kube.api.kubectl("delete", "portmapping", "game", "--timeout=30s", "--wait=false")
            kube.api.apply(port_mapping("other", port=17778, address=VIRTUAL))
            wait_until(lambda: kube.open_ports() >= {17778}, "open")
            sent = kube.count_changes("a")
            a.process.send_signal(signal.SIGCONT)
            assert a.process.wait(20) == 5
            assert kube.count_changes("a") == sent
            assert 17778 in kube.open_ports()
