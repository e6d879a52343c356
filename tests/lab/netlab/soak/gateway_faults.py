"""What happens to the gateway of a soak."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import Iterator

from netlab.faults import deaf, losing
from netlab.gateway import Variant
from netlab.lab import WAN_GATEWAY
from netlab.soak.scene import BOTH, Scene, settle_neighbour

ONE_LESS = (
    dataclasses.replace(BOTH, name="soak-without-upnp", upnp=False),
    dataclasses.replace(BOTH, name="soak-without-pcp", natpmp=False),
)
OTHER_WAN_ADDRESS = "11.22.33.9"

TELLING = 6.0
"""Seconds that a gateway has to run before a restart that nobody hears can be told by its clock: RFC 6886
section 3.6 tolerates two and an eighth of the time between two looks, and whole seconds cost one more."""


class GatewayFaults:
    """It restarts, is away, has another address, speaks one protocol less, loses packets."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._gateway = scene.lab.gateway
        self._up_since = time.monotonic()

    @contextlib.contextmanager
    def restart(self) -> Iterator[None]:
        """It says goodbye, comes back with an empty table, and announces itself."""
        self._gateway.stop()
        self._come_back()
        yield

    @contextlib.contextmanager
    def restart_unheard(self) -> Iterator[None]:
        """What it announces is lost."""
        time.sleep(max(0.0, self._up_since + TELLING - time.monotonic()))
        with deaf(self._scene.lab.lan):
            self._gateway.stop()
            self._come_back()
            yield

    @contextlib.contextmanager
    def crash(self) -> Iterator[None]:
        """It says nothing before it is back."""
        self._gateway.kill()
        self._come_back()
        yield

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """It is not there, then comes back with an empty table."""
        self._gateway.stop()
        yield
        self._come_back()

    def _come_back(self) -> None:
        self._gateway.empty()
        self._scene.is_over()
        self._gateway.start()
        self._up_since = time.monotonic()
        settle_neighbour(self._scene.lab)

    @contextlib.contextmanager
    def loss(self) -> Iterator[None]:
        """A third of what it and this host say to each other gets lost."""
        with losing(self._scene.lab.lan, self._scene.lab.router, 30):
            yield
        self._scene.is_over()

    @contextlib.contextmanager
    def external_address(self) -> Iterator[None]:
        """It gets another address outside."""
        before = self._scene.kept.asks
        now = OTHER_WAN_ADDRESS if before == WAN_GATEWAY else WAN_GATEWAY
        steps = f"addr add {now}/24 dev wan0\naddr del {before}/24 dev wan0\n"
        self._scene.lab.router.run("ip", "-batch", "-", stdin=steps)
        self._scene.kept.asks = now
        if self._gateway.pid is not None:
            os.kill(self._gateway.pid, signal.SIGUSR1)
        self._scene.is_over()
        yield

    def is_address_known(self) -> bool:
        """Tell whether the daemon knows that address."""
        return self._scene.kept.external_addresses() == {self._scene.kept.asks}

    @contextlib.contextmanager
    def one_protocol_less(self) -> Iterator[None]:
        """It speaks UPnP no longer, or PCP and NAT-PMP, and does again after a while; its table stays."""
        self._switch(self._scene.chance.choice(ONE_LESS))
        yield
        self._scene.pause(2, 6)
        self._switch(BOTH)

    def _switch(self, variant: Variant) -> None:
        self._gateway.stop()
        self._gateway.variant = variant
        self._scene.is_over()
        self._gateway.start()
        self._up_since = time.monotonic()

    def is_spoken(self) -> bool:
        """Tell whether it still speaks what holds the mappings, where the daemon has a choice."""
        kept = self._scene.kept
        return self._scene.backend != "any" or kept.backends() <= {*self._gateway.variant.backends}
