"""The API server stops, dies or becomes unreachable."""

from __future__ import annotations

import signal
import time

import pytest
from netlab.program import Running

from .kubelab import KubeLab, leads, port_mapping, service, wait_until

OUTAGE = 8.0
"""Seconds without the API server: several times the duration of the Lease."""


def _begin(kube: KubeLab, how: str) -> None:
    if how == "killed":
        kube.api.kill()
    elif how == "stopped":
        kube.api.signal(signal.SIGSTOP)
    else:
        kube.api.filter(on=True)


def _end(kube: KubeLab, how: str) -> None:
    if how == "killed":
        kube.api.start()
    elif how == "stopped":
        kube.api.signal(signal.SIGCONT)
    else:
        kube.api.filter(on=False)


@pytest.mark.parametrize("how", ["killed", "stopped", "filtered"])
def test_nothing_is_closed_during_and_after_an_outage(kube: KubeLab, how: str) -> None:
    """The leader steps down with status 5, and leads again when the API server is back."""
    kube.api.apply(service("web", {"http": 8080}, ports="http:18080"), port_mapping("game", port=17777))
    kube.api.set_ingress("web")
    expected = {18080, 17777}
    with kube.controller("a") as first:
        wait_until(lambda: kube.open_ports() == expected, "open")
        _begin(kube, how)
        try:
            assert first.process.wait(20) == 5
            with kube.controller("a") as second:
                _stays_open(kube, second, expected)
                _end(kube, how)
                wait_until(lambda: leads(second), "leading", 60)
                time.sleep(2.0)
                assert kube.open_ports() == expected
        finally:
            if how != "killed":
                _end(kube, how)


def _stays_open(kube: KubeLab, follower: Running, expected: set[int]) -> None:
    """Check for the time of the outage that nothing is closed, and that nobody leads."""
    until = time.monotonic() + OUTAGE
    while time.monotonic() < until:
        assert kube.open_ports() == expected
        assert not leads(follower)
        time.sleep(0.2)
