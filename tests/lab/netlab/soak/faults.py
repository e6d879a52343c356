"""The kinds of fault that a soak knows, what each may close, and when it must be over."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from netlab.soak.gateway_faults import GatewayFaults
from netlab.soak.host_faults import HostFaults
from netlab.soak.list_faults import ListFaults
from netlab.soak.scene import INTERVAL, Scene, Trouble

OTHER_GATEWAY = "other gateway"
EXTERNAL_ADDRESS = "external address"
CRASH = "kill -9 and start"

DOUBTED = frozenset({EXTERNAL_ADDRESS, CRASH})
"""What leaves the order of a port's two protocols in doubt: miniupnpd begins its epoch anew with another
address. To put them in order closes the one for milliseconds, or for as long as lost packets take."""

ANNOUNCED = 2.0
"""Seconds after the first sign of life, or after the kernel told, within which every port answers again."""

UNHEARD = INTERVAL + 2.0
"""Seconds where nothing tells: one interval, and what follows."""

EDITED = 1.0
STARTED = 10.0
"""Seconds that a new start may take until the table is as listed; its ports are open all the while."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: for the report.
        bound: seconds from its end until everything has to be as it should be.
        closes: ports may be closed from its beginning until then; none otherwise.
        happen: lets it happen; entered when it is over, and left when what follows has been seen.
        settled: what has to come true besides that every port answers.
        within: names of the troubles in the midst of which it may happen, too.
    """

    name: str
    bound: float
    closes: bool
    happen: Trouble
    settled: Callable[[], bool] = lambda: True
    within: tuple[str, ...] = ()


class Faults:
    """What can happen on one scene.

    Attributes:
        kinds: all there are with this backend.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._gateway = GatewayFaults(scene)
        self._host = HostFaults(scene)
        self._list = ListFaults(scene)
        self._troubles: dict[str, Trouble] = {
            "30 % loss": self._gateway.loss,
            "suspended": self._host.suspended,
            "gateway away": self._gateway.away,
            "disk full": self._host.disk_full,
        }
        self.kinds = [*self._of_gateway(), *self._of_host(), *self._of_list()]

    def within(self, kind: Kind, trouble: str) -> Kind:
        """Return the kind that happens in the midst of a trouble; it is over when both are."""
        closes, bound = kind.closes, kind.bound
        if trouble == "gateway away":
            closes, bound = True, max(bound, ANNOUNCED)
        elif trouble == "30 % loss":
            # What told of it may be lost.
            closes, bound = closes or kind.name in DOUBTED, max(bound, UNHEARD)
        return dataclasses.replace(
            kind,
            name=f"{kind.name} ({trouble})",
            bound=bound,
            closes=closes,
            happen=partial(self._both, kind, self._troubles[trouble]),
        )

    def _of_gateway(self) -> list[Kind]:
        gateway, troubles = self._gateway, ("30 % loss", "suspended", "disk full")
        away, loss = self._scene.lasting(gateway.away), self._scene.lasting(gateway.loss)
        known, spoken = gateway.is_address_known, gateway.is_spoken
        return [
            Kind("restart", ANNOUNCED, True, gateway.restart, within=troubles),
            Kind("restart, unheard", UNHEARD, True, gateway.restart_unheard),
            Kind("gateway crash", ANNOUNCED, True, gateway.crash, within=troubles),
            Kind("gateway away", ANNOUNCED, True, away),
            Kind("30 % loss", ANNOUNCED, False, loss),
            Kind(EXTERNAL_ADDRESS, UNHEARD, False, gateway.external_address, known, troubles),
            Kind("one protocol less", UNHEARD, False, gateway.one_protocol_less, spoken),
        ]

    def _of_host(self) -> list[Kind]:
        host, listed, anywhere = self._host, self._scene.as_listed, tuple(self._troubles)
        return [
            Kind("link down and up", ANNOUNCED, True, host.link, within=anywhere),
            Kind("host address", ANNOUNCED, True, host.address, listed, ("suspended", "disk full")),
            Kind(OTHER_GATEWAY, ANNOUNCED, True, host.other_gateway, host.is_back),
            Kind("VPN comes and goes", ANNOUNCED, False, host.vpn, within=anywhere),
            Kind("suspended", ANNOUNCED, False, self._scene.lasting(host.suspended)),
            Kind("disk full", ANNOUNCED, False, self._scene.lasting(host.disk_full)),
            Kind(CRASH, STARTED, False, host.crash, listed, ("30 % loss", "gateway away")),
        ]

    def _of_list(self) -> list[Kind]:
        wish, listed, anywhere = self._list, self._scene.as_listed, tuple(self._troubles)
        return [
            Kind("row added or removed", EDITED, False, wish.edit, listed, anywhere),
            Kind("row added or removed after kill -9", STARTED, False, wish.edit_after_crash, listed),
            Kind("durations changed", EDITED, False, wish.change, wish.is_changed, anywhere),
            Kind("port of another host", UNHEARD, False, wish.covet, wish.is_refused),
        ]

    @contextlib.contextmanager
    def _both(self, kind: Kind, trouble: Trouble) -> Iterator[None]:
        with ExitStack() as aftermath:
            with trouble():
                self._scene.pause(0.3, 1.5)
                aftermath.enter_context(kind.happen())
                self._scene.pause(0.3, 1.5)
            yield
