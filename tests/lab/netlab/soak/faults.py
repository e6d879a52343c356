"""The kinds of fault in a soak, with their limits for outages and recovery."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from netlab.soak.gateway_faults import GatewayFaults
from netlab.soak.host_faults import HostFaults
from netlab.soak.list_faults import ListFaults
from netlab.soak.testbed import INTERVAL, LIFETIMES, Disturbance, Testbed

OTHER_GATEWAY = "other gateway"
EXTERNAL_ADDRESS = "external address"
CRASH = "kill -9 and start"

ORDER_UNKNOWN = frozenset({EXTERNAL_ADDRESS, CRASH})
"""Faults after which the order of a port's two protocols is unknown; miniupnpd resets its epoch with another
address. Restoring the order closes one protocol for milliseconds, or longer if packets are lost."""

ANNOUNCED_LIMIT = 2.0
"""Limit in seconds for a recovery after an announcement or a kernel event."""

UNANNOUNCED_LIMIT = INTERVAL + 2.0
"""Limit in seconds for a recovery without an announcement: one interval plus the recovery itself."""

EDIT_LIMIT = 1.0
LONGEST_SUSPENSION = 3 / 8 * LIFETIMES[0] - 1
"""Seconds that the daemon may be suspended: a renewal is due after 5/8 of the lifetime at the latest, and
a program that is suspended until a lease ends cannot keep its port open."""

START_LIMIT = 10.0
"""Seconds until the table matches the list after a restart of the daemon; ports stay open meanwhile."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: name in the report.
        bound: limit for the recovery, in seconds after the end of the fault.
        closes: ports may be closed from the start of the fault until the limit.
        inject: context manager that injects the fault; its body runs when the fault is over.
        settled: condition for the recovery, in addition to an answer of every port.
        within: names of the disturbances that the fault can be combined with.
    """

    name: str
    bound: float
    closes: bool
    inject: Disturbance
    settled: Callable[[], bool] = lambda: True
    within: tuple[str, ...] = ()


class Faults:
    """The faults for a testbed.

    Attributes:
        kinds: all kinds for the testbed's backend.
    """

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self._gateway = GatewayFaults(testbed)
        self._host = HostFaults(testbed)
        self._list = ListFaults(testbed)
        self._disturbances: dict[str, Disturbance] = {
            "30 % loss": self._gateway.loss,
            "suspended": self._host.suspended,
            "gateway away": self._gateway.away,
            "disk full": self._host.disk_full,
        }
        self.kinds = [*self._of_gateway(), *self._of_host(), *self._of_list()]

    def within(self, kind: Kind, disturbance: str) -> Kind:
        """Return the kind combined with a longer disturbance; it is over when both are."""
        closes, bound = kind.closes, kind.bound
        if disturbance == "gateway away":
            closes, bound = True, max(bound, ANNOUNCED_LIMIT)
        elif disturbance == "30 % loss":
            # The announcement may be lost.
            closes, bound = closes or kind.name in ORDER_UNKNOWN, max(bound, UNANNOUNCED_LIMIT)
        return dataclasses.replace(
            kind,
            name=f"{kind.name} ({disturbance})",
            bound=bound,
            closes=closes,
            inject=partial(self._both, kind, self._disturbances[disturbance]),
        )

    def _of_gateway(self) -> list[Kind]:
        gateway, disturbances = self._gateway, ("30 % loss", "suspended", "disk full")
        away, loss = self._testbed.lasting(gateway.away), self._testbed.lasting(gateway.loss)
        known, active = gateway.is_address_known, gateway.is_protocol_active
        return [
            Kind("restart", ANNOUNCED_LIMIT, True, gateway.restart, within=disturbances),
            Kind("restart, unheard", UNANNOUNCED_LIMIT, True, gateway.restart_unannounced),
            Kind("gateway crash", ANNOUNCED_LIMIT, True, gateway.crash, within=disturbances),
            Kind("gateway away", ANNOUNCED_LIMIT, True, away),
            Kind("30 % loss", ANNOUNCED_LIMIT, False, loss),
            Kind(EXTERNAL_ADDRESS, UNANNOUNCED_LIMIT, False, gateway.external_address, known, disturbances),
            Kind("one protocol less", UNANNOUNCED_LIMIT, False, gateway.one_protocol_less, active),
        ]

    def _of_host(self) -> list[Kind]:
        host, listed, anywhere = self._host, self._testbed.as_listed, tuple(self._disturbances)
        suspended = self._testbed.lasting(host.suspended, LONGEST_SUSPENSION)
        return [
            Kind("link down and up", ANNOUNCED_LIMIT, True, host.link, within=anywhere),
            Kind("host address", ANNOUNCED_LIMIT, True, host.address, listed, ("suspended", "disk full")),
            Kind(OTHER_GATEWAY, ANNOUNCED_LIMIT, True, host.other_gateway, host.is_back),
            Kind("VPN comes and goes", ANNOUNCED_LIMIT, False, host.vpn, within=anywhere),
            Kind("suspended", ANNOUNCED_LIMIT, False, suspended),
            Kind("disk full", ANNOUNCED_LIMIT, False, self._testbed.lasting(host.disk_full)),
            Kind(CRASH, START_LIMIT, False, host.crash, listed, ("30 % loss", "gateway away")),
        ]

    def _of_list(self) -> list[Kind]:
        lists, listed, anywhere = self._list, self._testbed.as_listed, tuple(self._disturbances)
        return [
            Kind("row added or removed", EDIT_LIMIT, False, lists.edit, listed, anywhere),
            Kind("row added or removed after kill -9", START_LIMIT, False, lists.edit_after_crash, listed),
            Kind("durations changed", EDIT_LIMIT, False, lists.change, lists.is_changed, anywhere),
            Kind(
                "port of another host",
                UNANNOUNCED_LIMIT,
                False,
                lists.claim_neighbor_port,
                lists.is_refused,
            ),
        ]

    @contextlib.contextmanager
    def _both(self, kind: Kind, disturbance: Disturbance) -> Iterator[None]:
        with ExitStack() as aftermath:
            with disturbance():
                self._testbed.pause(0.3, 1.5)
                aftermath.enter_context(kind.inject())
                self._testbed.pause(0.3, 1.5)
            yield
