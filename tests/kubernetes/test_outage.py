"""The API server stops, dies or becomes unreachable."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator

import pytest
from netlab.changes import ChangeLog
from netlab.program import Running

from .kubelab import VIRTUAL, KubeLab, leads, port_mapping, service, wait_until

PORTS = {f"p{number}": number for number in range(18000, 18020)}
EXPECTED = {*PORTS.values(), 17777}

QUIET_SECONDS = 3.0
"""Seconds after the return of the API server in which a burst would be seen."""

REQUESTS_PER_PORT = 2
"""The restarted leader renews each port once; a request may be repeated."""


@contextlib.contextmanager
def _without_api_server(kube: KubeLab, how: str) -> Iterator[None]:
    if how == "killed":
        kube.api.kill()
    elif how == "stopped":
        kube.api.signal(signal.SIGSTOP)
    else:
        kube.api.filter(on=True)
    try:
        yield
    finally:
        if how == "killed":
            kube.api.start()
        elif how == "stopped":
            kube.api.signal(signal.SIGCONT)
        else:
            kube.api.filter(on=False)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["killed", "stopped", "filtered"])
def test_nothing_is_closed_during_and_after_an_outage(kube: KubeLab, how: str, outage: float) -> None:
    """The leader steps down with status 5, and leads again when the API server is back, without a burst."""
    kube.api.apply(service("web", PORTS, ports="all"), port_mapping("game", port=17777, address=VIRTUAL))
    kube.api.set_ingress("web")
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(kube.controller("a"))
        wait_until(lambda: kube.open_ports() == EXPECTED, "open")
        wait_until(lambda: kube.count_reported() == 2, "reported")
        log = stack.enter_context(ChangeLog(kube.lab.router))
        with _without_api_server(kube, how):
            assert first.process.wait(20) == 5
            second = stack.enter_context(kube.controller("a", "--health-listen", "0.0.0.0:8081"))
            _stays_open(kube, second, outage)
            assert log.changes == []
        wait_until(lambda: leads(second), "leading", 60)
        wait_until(lambda: kube.metric("a", 'mappings{state="active"}') == len(EXPECTED), "renewed", 60)
        _expect_no_burst(kube, log, how)


def _stays_open(kube: KubeLab, follower: Running, seconds: float) -> None:
    """Check for the time of the outage that nothing is closed, and that no replica leads."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert kube.open_ports() == EXPECTED
        assert not leads(follower)
        time.sleep(0.2)


def _expect_no_burst(kube: KubeLab, log: ChangeLog, how: str) -> None:
    """Check that the gateway and the API server get few requests, and that nothing is closed."""
    before = kube.api.writes()
    time.sleep(QUIET_SECONDS)
    wait_until(lambda: kube.open_ports() == EXPECTED, "all open")
    written = {line: count for line, count in (kube.api.writes() - before).items() if "leases" not in line}
    print(f"{how}: {len(log.changes)} requests for {len(EXPECTED)} ports; written: {written}")
    assert len(log.changes) <= REQUESTS_PER_PORT * len(EXPECTED)
    assert sum(written.values()) <= len(EXPECTED)
