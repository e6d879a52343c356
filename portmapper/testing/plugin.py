"""pytest plugin with the fixtures of portmapper. Every pytest run loads it, so it imports very little."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from portmapper.testing.clock import FakeClock
    from portmapper.testing.harness import Harness

CONTRACTS = ("backend", "source", "format", "observer", "command", "quirk", "web")

# Lets failed assertions in the contracts show their values, like those in test modules.
pytest.register_assert_rewrite(
    "portmapper.testing.calls",
    "portmapper.testing.backend_calls",
    *(f"portmapper.testing.{kind}_contract" for kind in CONTRACTS),
)


@pytest.fixture
def portmapper_gateway() -> Callable[..., Any]:
    """Return a function that creates gateways: `async with portmapper_gateway(igd_version=1) as gateway`."""
    from portmapper.testing.simulator import embedded_gateway

    return embedded_gateway


@pytest.fixture
def portmapper_clock() -> FakeClock:
    """Return a clock that moves only with `await clock.advance(seconds)`."""
    from portmapper.testing.clock import FakeClock

    return FakeClock()


@pytest.fixture
def portmapper_scheduler(
    portmapper_clock: FakeClock,
) -> Callable[..., AbstractAsyncContextManager[Harness]]:
    """Return a function that creates schedulers: `async with portmapper_scheduler(backend) as harness`."""
    from portmapper.testing.harness import scheduled

    def make(*backends: Any, **attributes: Any) -> AbstractAsyncContextManager[Harness]:
        return scheduled(portmapper_clock, *backends, **attributes)

    return make
