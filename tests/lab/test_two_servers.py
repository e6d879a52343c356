"""Two servers share one list and a virtual address: only the one that carries it changes the gateway."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from netlab.firewalls import Rule
from netlab.gateway import IGD2_AND_PCP
from netlab.keepalived import keepalived
from netlab.lab import Lab
from netlab.two_servers import PORT, VIRTUAL, TwoServers

LEAD = ("--lead-with-address", VIRTUAL)
LIMIT = 15.0
"""Seconds within which the WAN gets an answer again; it takes about one."""


@pytest.fixture
def servers(own_lab: Lab, tmp_path: Path) -> Iterator[TwoServers]:
    """Two servers with one row for the virtual address."""
    own_lab.gateway.reset(IGD2_AND_PCP)
    servers = TwoServers(own_lab, tmp_path)
    for server in (servers.first, servers.second):
        server.write(f"{VIRTUAL};TCP;{PORT};3600;")
    yield servers
    servers.close()


@pytest.mark.parametrize("backend", ["pcp", "natpmp", "upnp"])
def test_the_second_server_takes_over(servers: TwoServers, backend: str) -> None:
    """It starts on standby and changes nothing. After the first one is killed, it renews the mapping."""
    first, second = servers.first, servers.second
    options = (*LEAD, "--backend", backend)
    first.take()
    with first.daemon(*options), second.recording(), second.daemon(*options):
        servers.until_answers(LIMIT)
        second.running.until(lambda: second.role() == "standby", "on standby")
        assert second.status()["leader"] == VIRTUAL
        assert (first.role(), second.changes) == ("leader", [])
        first.crash()
        first.give()
        second.take()
        print(f"{backend}: the WAN got an answer after {servers.until_answers(LIMIT):.2f} s")
        second.running.until(lambda: _is_active(second.status()), "active", LIMIT)
        assert second.role() == "leader"
        assert second.changes
        wanted = {Rule("TCP", PORT, VIRTUAL, PORT)}
        second.running.until(lambda: servers.lab.gateway.rules() == wanted, "as listed")


@pytest.mark.parametrize("backend", ["pcp", "natpmp", "upnp"])
def test_a_suspended_leader_sends_nothing_when_it_continues(servers: TwoServers, backend: str) -> None:
    """It exits with status 5 and closes nothing, although every mapping is due."""
    first, second = servers.first, servers.second
    options = (*LEAD, "--backend", backend)
    first.take()
    with first.daemon(*options), second.daemon(*options):
        servers.until_answers(LIMIT)
        os.kill(first.running.process.pid, signal.SIGSTOP)
        first.give()
        second.take()
        second.running.until(lambda: _is_active(second.status()), "active", LIMIT)
        time.sleep(2)  # so that timers of the first daemon are due
        with first.recording():
            os.kill(first.running.process.pid, signal.SIGCONT)
            assert first.running.process.wait(LIMIT) == 5
        assert first.changes == []
        assert "lost leadership" in first.running.log
        assert servers.answers()


def test_an_orderly_stop_leaves_the_ports_open(servers: TwoServers) -> None:
    """The exit status is 0, and a follower that stops closes nothing, even if it should on exit."""
    first, second = servers.first, servers.second
    first.take()
    with first.daemon(*LEAD), second.daemon(*LEAD, "--close-ports-on-exit"):
        servers.until_answers(LIMIT)
        with second.recording():
            assert second.running.end() == 0
        assert second.changes == []
        assert first.running.end() == 0
        assert servers.answers()


def test_keepalived_moves_the_ports(servers: TwoServers) -> None:
    """The link of the master is cut, with its daemon and keepalived; the other one takes over by itself."""
    first, second = servers.first, servers.second
    with (
        keepalived(first.namespace, first.directory, 150),
        first.daemon(*LEAD),
        keepalived(second.namespace, second.directory, 100),
        second.daemon(*LEAD),
    ):
        first.running.until(lambda: first.role() == "leader", "leader", LIMIT)
        servers.until_answers(LIMIT)
        assert second.role() == "standby"
        first.crash()
        servers.lab.router.ip("link", "set", "port-a", "down")
        cut = time.monotonic()
        second.running.until(lambda: second.role() == "leader", "leader", LIMIT)
        servers.until_answers(LIMIT)
        print(f"keepalived: the WAN got an answer after {time.monotonic() - cut:.2f} s")
        second.running.until(lambda: _is_active(second.status()), "active", LIMIT)


def _is_active(status: dict[str, object]) -> bool:
    mappings = status.get("mappings")
    return isinstance(mappings, list) and [mapping["state"] for mapping in mappings] == ["active"]


def test_two_daemons_that_take_do_not_fight(servers: TwoServers) -> None:
    """Without a guard and without secure mode, the port changes its owner at most once."""
    first, second = servers.first, servers.second
    servers.lab.gateway.reset(dataclasses.replace(IGD2_AND_PCP, secure=False))
    for server in (first, second):
        server.write(f";TCP;{PORT};3600;take")
    options = ("--backend", "upnp", "--interval", "1")
    with first.daemon(*options):
        servers.until_answers(LIMIT)
        with second.daemon(*options):
            owners = _owners(servers, first.address, 30.0)
            print(f"owners in 30 s: {owners}")
            assert owners == [first.address, second.address]
            assert first.running.log.count(f"{PORT}/tcp is left to {second.address}: a daemon there") == 1
            assert [m["state"] for m in first.status()["mappings"]] == ["conflict"]
            assert "is left to" not in second.running.log


def _owners(servers: TwoServers, first: str, seconds: float) -> list[str]:
    """Return the hosts that the gateway's rule led to, one after the other, beginning with the first."""
    owners = [first]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        now = {rule.internal_address for rule in servers.lab.gateway.rules()}
        if len(now) == 1 and now != set(owners[-1:]):
            owners.append(now.pop())
        time.sleep(0.05)
    return owners
