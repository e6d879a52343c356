"""Where a soak plays: one daemon, its gateway, its host and a neighbour."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from netlab.gateway import Gateway, Rule, Variant
from netlab.keeping import Kept, Way
from netlab.lab import LAN_GATEWAY, Lab
from netlab.other_gateway import other_gateway
from netlab.soak.lateness import Moment, moment

INTERVAL = 5
PORTS: tuple[Way, ...] = (("TCP", 8080), ("UDP", 8080), ("TCP", 8081), ("UDP", 8082))
"""What is listed all the while: both protocols of one port are among them, which miniupnpd confuses."""

LIFETIMES = (40, 60)
"""Seconds of the leases, so that renewals happen among the faults."""

BOTH = Variant("soak", secure=False, extra=("min_lifetime=20",))
"""The gateway. A secure one lets nobody replace what was opened for a host's former address."""

NEIGHBOUR = "192.168.88.9"
THEIRS = Rule("TCP", 7000, NEIGHBOUR, 7000)

Trouble = Callable[[], AbstractContextManager[None]]
"""Lets something happen; entered when it began, and left when it is to end."""


@dataclasses.dataclass
class Scene:
    """One daemon and all around it.

    Attributes:
        lab: the hosts.
        other: another gateway, which the default route may lead to.
        kept: the daemon and its list.
        backend: the daemon's, or "any".
        chance: what decides.
        start: starts the daemon again.
        longest: seconds that a gateway may be away.
        over: when the last fault was over.
    """

    lab: Lab
    other: Gateway
    kept: Kept
    backend: str
    chance: random.Random
    start: Callable[[], None]
    longest: float
    over: Moment = dataclasses.field(init=False)

    def pids(self) -> list[int]:
        """Return whom a recovery may have to wait for."""
        gateway = self.lab.gateway.pid
        return [self.kept.running.process.pid, *([gateway] if gateway else [])]

    def is_over(self) -> None:
        """Take note that a fault is over: from now on it counts how long the recovery takes."""
        self.over = moment(self.pids())

    def pause(self, least: float, most: float) -> None:
        """Let time pass, in seconds."""
        time.sleep(self.chance.uniform(least, most))

    def as_listed(self) -> bool:
        """Tell whether the gateway's table is what it should be."""
        return self.lab.gateway.rules() == self.kept.wanted_rules() | {THEIRS}

    def lasting(self, trouble: Trouble) -> Trouble:
        """Return what lets a trouble last for a while, and is entered when it is over."""

        @contextlib.contextmanager
        def happen() -> Iterator[None]:
            with trouble():
                self.pause(2, self.longest)
            yield

        return happen


def prepare(lab: Lab) -> Gateway:
    """Wire up a lab: a neighbour, and routes beside which those of a VPN may come and go; another gateway."""
    other = other_gateway(lab)
    other.reset(BOTH)
    lab.add_lan_host("other", NEIGHBOUR)
    lab.lan.ip("route", "del", "default")
    lead_out(lab, LAN_GATEWAY)
    for host, interface in ((lab.router, "wan0"), (lab.lan, "eth0")):
        host.run("sysctl", "-qw", f"net.ipv4.conf.{interface}.promote_secondaries=1")
    lab.gateway.reset(BOTH)
    settle_neighbour(lab)
    return other


def lead_out(lab: Lab, gateway: str) -> None:
    """Set the routes of the LAN host, so that a VPN can be preferred and answers still leave as asked."""
    lab.lan.ip("route", "replace", "default", "via", gateway, "metric", "100")
    lab.lan.ip("route", "replace", "11.22.33.0/24", "via", gateway)


def settle_neighbour(lab: Lab) -> None:
    """Let the other host have its port; a client of another kind does it."""
    lab.topology.namespaces[-1].run("natpmpc", "-a", "7000", "7000", "tcp", "3600")
