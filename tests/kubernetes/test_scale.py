"""A thousand Services."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest
from netlab.program import Program, Running

from .kubelab import VIRTUAL, KubeLab, leads, service, wait_until

SERVICES = 1000
FOLLOWER_LIMIT = 80 * 2**20
"""Resident bytes of a follower."""

QUIET_SECONDS = 10.0


NO_ANNOUNCEMENTS = """
table inet quiet {
    chain output {
        type filter hook output priority 0
        ip daddr 224.0.0.1 drop
    }
}
"""
"""For minutes after its start, the simulator announces it, and every port is requested again."""


def _services() -> list[dict[str, object]]:
    found = []
    for number in range(SERVICES):
        each = service(f"s{number}", {"http": 20000 + number}, ports="http")
        each["spec"]["externalIPs"] = [VIRTUAL]
        found.append(each)
    return found


@pytest.mark.timeout(600)
def test_a_thousand_services_cause_few_requests_and_a_quick_takeover(kube: KubeLab, tmp_path: Path) -> None:
    """A follower is small, and nothing is written without a change.

    The gateway is a simulator: miniupnpd needs minutes to open so many ports.
    """
    kube.api.apply(*_services())
    kube.lab.gateway.kill()
    kube.lab.router.run("nft", "-f", "-", stdin=NO_ANNOUNCEMENTS)
    simulator = Program(kube.lab.router, tmp_path)
    with simulator.running("simulate", "--host", kube.lab.gateway.lan_address, log=tmp_path / "simulator"):
        _measure(kube)


def _measure(kube: KubeLab) -> None:
    health = ("--health-listen", "0.0.0.0:8081", "--backend", "pcp")
    with kube.controller("a", *health) as a:
        wait_until(lambda: leads(a), "leading")
        opened = wait_until(lambda: _active(kube, "a") == SERVICES, "open", 240, 0.5)
        with kube.controller("b", *health) as b:
            wait_until(lambda: "on standby" in b.log, "following")
            wait_until(lambda: _reported(kube) == SERVICES, "reported", 120, 1.0)
            time.sleep(2.0)
            before, used = kube.api.writes(), _cpu(a)
            time.sleep(QUIET_SECONDS)
            written = kube.api.writes() - before
            busy = (_cpu(a) - used) / QUIET_SECONDS
            resident = psutil.Process(b.process.pid).memory_info().rss
            kube.set_link("a", up=False)
            a.process.kill()
            kube.move_address("b")
            wait_until(lambda: leads(b), "leading")
            took = wait_until(lambda: _active(kube, "b") == SERVICES, "taken over", 60, 0.2)
    print(f"opened in {opened:.1f} s; written in {QUIET_SECONDS:.0f} s: {dict(written)}")
    print(f"leader {busy:.1%} of a processor")
    print(f"follower {resident / 2**20:.0f} MiB; taken over {took:.1f} s after the election")
    assert resident < FOLLOWER_LIMIT
    assert written.total() <= 4 * QUIET_SECONDS


def _active(kube: KubeLab, name: str) -> float:
    return kube.metric(name, 'mappings{state="active"}')


def _cpu(running: Running) -> float:
    times = psutil.Process(running.process.pid).cpu_times()
    return times.user + times.system


def _reported(kube: KubeLab) -> int:
    words = ("get", "services", "-o", "jsonpath={.items[*].metadata.annotations.portmapper\\.dev/status}")
    return kube.api.kubectl(*words).count('"Open":"True"')
