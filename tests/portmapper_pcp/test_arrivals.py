"""Announcements of a gateway that was not found over PCP or NAT-PMP."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import pytest

from portmapper.api.backend import Backend, Target
from portmapper_pcp import announcements
from portmapper_pcp.backends import NatPmpBackend, PcpBackend

LOCAL = ipaddress.ip_address("127.0.0.1")


@pytest.mark.parametrize(("kind", "version"), [(PcpBackend, 2), (NatPmpBackend, 0)])
async def test_a_packet_of_the_version_is_an_arrival(
    monkeypatch: pytest.MonkeyPatch, kind: type[Any], version: int
) -> None:
    """Both protocols announce themselves on one port."""
    listeners: list[Any] = []

    class Heard:
        closed = False

        def __init__(self, _local: Any, _gateway: Any, _port: int, on_packet: Any) -> None:
            self.on_packet = on_packet
            listeners.append(self)

        async def close(self) -> None:
            self.closed = True

    monkeypatch.setattr(announcements, "Listener", Heard)
    backend: Any = kind()
    assert isinstance(backend, Backend)
    calls: list[int] = []
    target = Target(LOCAL, "lo", LOCAL)
    listening = asyncio.create_task(backend.listen(target, lambda: calls.append(1)))
    await asyncio.sleep(0)
    for first in (0, 1, 2, 3):
        await listeners[0].on_packet(bytes([first, 128]))
    assert len(calls) == 1
    assert backend.version == version
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert listeners[0].closed
