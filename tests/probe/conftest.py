"""A probe server on loopback, and ports there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address

import pytest

from portmapper.api.model import Protocol
from portmapper.probe.evidence import OpenPort
from portmapper.probe.exchange import ProbeServer
from portmapper.probe_server import tcp, udp
from portmapper.probe_server.server import probe_server

LOOPBACK = ip_address("127.0.0.1")


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold connections and wait for datagrams for a shorter time."""
    monkeypatch.setattr(tcp, "HOLD", 0.4)
    monkeypatch.setattr(udp, "WAIT", 0.5)


@pytest.fixture
async def server() -> AsyncIterator[ProbeServer]:
    """A running probe server."""
    async with probe_server(LOOPBACK, 0) as port:
        yield ProbeServer(f"http://127.0.0.1:{port}")


@pytest.fixture
def loopback_port(free_port: Callable[[], int]) -> Callable[[Protocol], OpenPort]:
    """Return a function that returns an unused port of loopback."""

    def make(protocol: Protocol) -> OpenPort:
        port = free_port()
        return OpenPort(protocol, port, port, LOOPBACK)

    return make
