"""The testbed of a soak: a daemon, its gateway, its host and a neighbor."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from netlab.cpu_wait import StartMark, mark
from netlab.firewalls import Rule
from netlab.gateway import Gateway, Variant
from netlab.lab import LAN_GATEWAY, Lab
from netlab.managed_daemon import Endpoint, ManagedDaemon
from netlab.other_gateway import other_gateway

INTERVAL = 5
PORTS: tuple[Endpoint, ...] = (("TCP", 8080), ("UDP", 8080), ("TCP", 8081), ("UDP", 8082))
"""Ports that are always listed, including both protocols of one port, which miniupnpd confuses."""

LIFETIMES = (40, 60)
"""Lifetimes in seconds, short enough for renewals between faults."""

BOTH = Variant("soak", secure=False, extra=("min_lifetime=20",))
"""The gateway; in secure mode, mappings to a host's former address could not be replaced."""

NEIGHBOR = "192.168.88.9"
NEIGHBOR_RULE = Rule("TCP", 7000, NEIGHBOR, 7000)

Disturbance = Callable[[], AbstractContextManager[None]]
"""Starts a disturbance when entered, and ends it when left."""


@dataclasses.dataclass
class Testbed:
    """A daemon and its environment.

    Attributes:
        lab: the hosts and the gateway.
        other: another gateway for the default route.
        managed: the daemon with its list.
        backend: the daemon's backend, or "any".
        chance: random numbers.
        start: restarts the daemon.
        longest: longest absence of a gateway, in seconds.
        over: end of the last fault.
    """

    lab: Lab
    other: Gateway
    managed: ManagedDaemon
    backend: str
    chance: random.Random
    start: Callable[[], None]
    longest: float
    over: StartMark = dataclasses.field(init=False)

    def pids(self) -> list[int]:
        """Return the processes that take part in a recovery."""
        gateway = self.lab.gateway.pid
        return [self.managed.running.process.pid, *([gateway] if gateway else [])]

    def mark_over(self) -> None:
        """Record the end of a fault, which starts the measurement of the recovery."""
        self.over = mark(self.pids())

    def pause(self, least: float, most: float) -> None:
        """Sleep for a random time in seconds."""
        time.sleep(self.chance.uniform(least, most))

    def as_listed(self) -> bool:
        """Return whether the gateway's table matches the list."""
        return self.lab.gateway.rules() == self.managed.expected_rules() | {NEIGHBOR_RULE}

    def differences(self) -> str:
        """Describe the differences between the list and what is open."""
        expected = self.managed.expected_rules() | {NEIGHBOR_RULE}
        rules = self.lab.gateway.rules()
        closed = [endpoint for endpoint in self.managed.endpoints if not self.managed.answers(endpoint)]
        return f"closed: {closed}, missing rules: {expected - rules}, other rules: {rules - expected}"

    def lasting(self, disturbance: Disturbance, longest: float = math.inf) -> Disturbance:
        """Return a fault that applies a disturbance for a while, for at most `longest` seconds."""

        @contextlib.contextmanager
        def inject() -> Iterator[None]:
            with disturbance():
                self.pause(2, min(self.longest, longest))
            yield

        return inject


def prepare(lab: Lab) -> Gateway:
    """Add a neighbor, another gateway, and routes that a VPN can override."""
    other = other_gateway(lab)
    other.reset(BOTH)
    lab.add_lan_host("other", NEIGHBOR)
    lab.lan.ip("route", "del", "default")
    set_routes(lab, LAN_GATEWAY)
    for host, interface in ((lab.router, "wan0"), (lab.lan, "eth0")):
        host.run("sysctl", "-qw", f"net.ipv4.conf.{interface}.promote_secondaries=1")
    lab.gateway.reset(BOTH)
    open_neighbor_port(lab)
    return other


def set_routes(lab: Lab, gateway: str) -> None:
    """Set the LAN host's routes, so that a VPN can take the default route but answers still return."""
    lab.lan.ip("route", "replace", "default", "via", gateway, "metric", "100")
    lab.lan.ip("route", "replace", "11.22.33.0/24", "via", gateway)


def open_neighbor_port(lab: Lab) -> None:
    """Open the neighbor's port with a third-party client."""
    lab.topology.namespaces[-1].run("natpmpc", "-a", "7000", "7000", "tcp", "3600")
