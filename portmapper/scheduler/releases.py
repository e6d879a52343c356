"""The releases that are being sent, so that no request for the same port overtakes one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from portmapper.api.backend import Gateway
from portmapper.api.model import IPAddress, Lease, Mapping, Protocol

_Endpoint = tuple[str, Protocol, IPAddress, int]


class Releases:
    """The releases under way at each gateway.

    Over PCP and NAT-PMP, a release and a request for one internal port have the same key. If both were sent
    at once, a retransmitted release would close what the request has just opened, and the answer to one could
    be taken for an answer to the other.
    """

    def __init__(self) -> None:
        self._running: list[tuple[_Endpoint, asyncio.Event]] = []

    @contextlib.contextmanager
    def under_way(self, gateway: Gateway, lease: Lease) -> Iterator[None]:
        """Note a release from its first packet to its end."""
        endpoint = (gateway.identity, lease.protocol, lease.internal_address, lease.internal_port)
        entry = (endpoint, asyncio.Event())
        self._running.append(entry)
        try:
            yield
        finally:
            self._running.remove(entry)
            entry[1].set()

    async def waited(self, gateway: Gateway, mapping: Mapping, internal: IPAddress) -> bool:
        """Wait for one release of this mapping's internal port; return whether there was one.

        The time limit of a call to a backend bounds the wait.
        """
        wanted = (gateway.identity, mapping.protocol, internal, mapping.internal_port)
        for endpoint, ended in self._running:
            if endpoint == wanted:
                await ended.wait()
                return True
        return False
