"""Faults of the gateway."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import Iterator

from netlab.faults import packet_loss, without_multicast
from netlab.gateway import Variant
from netlab.lab import WAN_GATEWAY
from netlab.soak.testbed import BOTH, Testbed, open_neighbor_port

ONE_LESS = (
    dataclasses.replace(BOTH, name="soak-without-upnp", upnp=False),
    dataclasses.replace(BOTH, name="soak-without-pcp", natpmp=False),
)
OTHER_WAN_ADDRESS = "11.22.33.9"

MIN_UPTIME = 6.0
"""Uptime in seconds before an unannounced restart, so that the epoch shows the restart: RFC 6886 section 3.6
tolerates two seconds plus an eighth of the time between two replies, and whole seconds cost one more."""


class GatewayFaults:
    """Restart, absence, address change, disabled protocol and packet loss of the gateway."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self._gateway = testbed.lab.gateway
        self._up_since = time.monotonic()

    @contextlib.contextmanager
    def restart(self) -> Iterator[None]:
        """Restart with byebye, an empty table and an announcement."""
        self._gateway.stop()
        self._come_back()
        yield

    @contextlib.contextmanager
    def restart_unannounced(self) -> Iterator[None]:
        """Restart with a lost announcement."""
        time.sleep(max(0.0, self._up_since + MIN_UPTIME - time.monotonic()))
        with without_multicast(self._testbed.lab.lan):
            self._gateway.stop()
            self._come_back()
            yield

    @contextlib.contextmanager
    def crash(self) -> Iterator[None]:
        """Restart without byebye."""
        self._gateway.kill()
        self._come_back()
        yield

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Stop the gateway for a while, then start it with an empty table."""
        self._gateway.stop()
        yield
        self._come_back()

    def _come_back(self) -> None:
        self._gateway.empty()
        self._testbed.mark_over()
        self._gateway.start()
        self._up_since = time.monotonic()
        open_neighbor_port(self._testbed.lab)

    @contextlib.contextmanager
    def loss(self) -> Iterator[None]:
        """Drop 30 % of the packets between the gateway and the host."""
        with packet_loss(self._testbed.lab.lan, self._testbed.lab.router, 30):
            yield
        self._testbed.mark_over()

    @contextlib.contextmanager
    def external_address(self) -> Iterator[None]:
        """Change the gateway's external address."""
        before = self._testbed.managed.external_address
        now = OTHER_WAN_ADDRESS if before == WAN_GATEWAY else WAN_GATEWAY
        steps = f"addr add {now}/24 dev wan0\naddr del {before}/24 dev wan0\n"
        self._testbed.lab.router.run("ip", "-batch", "-", stdin=steps)
        self._testbed.managed.external_address = now
        if self._gateway.pid is not None:
            os.kill(self._gateway.pid, signal.SIGUSR1)
        self._testbed.mark_over()
        yield

    def is_address_known(self) -> bool:
        """Return whether the daemon knows the new address."""
        return self._testbed.managed.external_addresses() == {self._testbed.managed.external_address}

    @contextlib.contextmanager
    def one_protocol_less(self) -> Iterator[None]:
        """Disable UPnP, or PCP and NAT-PMP, for a while; the table stays."""
        self._switch(self._testbed.chance.choice(ONE_LESS))
        yield
        self._testbed.pause(2, 6)
        self._switch(BOTH)

    def _switch(self, variant: Variant) -> None:
        self._gateway.stop()
        self._gateway.variant = variant
        self._testbed.mark_over()
        self._gateway.start()
        self._up_since = time.monotonic()

    def is_protocol_active(self) -> bool:
        """Return whether the gateway supports the mappings' protocols, if the daemon may choose them."""
        managed = self._testbed.managed
        return self._testbed.backend != "any" or managed.backends() <= {*self._gateway.variant.backends}
