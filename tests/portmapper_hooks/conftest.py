"""Shared helpers: events of one mapping, and waiting for a condition."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from portmapper.api.events import Event, EventKind
from portmapper.api.model import Family, Protocol

PATIENCE = 60.0


@pytest.fixture
def event() -> Callable[..., Event]:
    """Return a function that makes an event of one mapping."""

    def make(port: int = 8080, kind: EventKind = EventKind.OPENED, **more: Any) -> Event:
        fields = {
            "protocol": Protocol.TCP,
            "family": Family.IPV4,
            "internal_address": ipaddress.ip_address("192.168.1.5"),
            "internal_port": 80,
            "wanted_external_port": 8080,
            "external_port": port,
            "backend": "pcp",
        }
        return Event(datetime(2026, 1, 1, tzinfo=UTC), kind, **{**fields, **more})

    return make


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Return a function that waits until a condition is true."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """An exit stack that is closed at the end of the test."""
    async with AsyncExitStack() as stack:
        yield stack
