"""The fixtures, as pytest finds them. It is loaded in every run of pytest, so it imports next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from portmapper.testing.clock import FakeClock
    from portmapper.testing.harness import Harness

CONTRACTS = ("backend", "source", "format", "observer", "command")

# So that a failed assertion of a contract shows its values, as one of the author's own does.
pytest.register_assert_rewrite(
    "portmapper.testing.calls",
    "portmapper.testing.backend_calls",
    *(f"portmapper.testing.{kind}_contract" for kind in CONTRACTS),
)


@pytest.fixture
def portmapper_gateway() -> Callable[..., Any]:
    """Make embedded gateways: `async with portmapper_gateway(igd_version=1) as gateway`."""
    from portmapper.testing.simulator import embedded_gateway

    return embedded_gateway


@pytest.fixture
def portmapper_clock() -> FakeClock:
    """A clock that stands still until the test calls `await clock.advance(seconds)`."""
    from portmapper.testing.clock import FakeClock

    return FakeClock()


@pytest.fixture
def portmapper_scheduler(
    portmapper_clock: FakeClock,
) -> Callable[..., AbstractAsyncContextManager[Harness]]:
    """Make schedulers on that clock: `async with portmapper_scheduler(backend) as world`."""
    from portmapper.testing.harness import scheduled

    def make(*backends: Any, **attributes: Any) -> AbstractAsyncContextManager[Harness]:
        return scheduled(portmapper_clock, *backends, **attributes)

    return make
