"""Closing single ports, as `portmapper close` does without a daemon."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from portmapper.actions.close import CloseResult, PortCloser
from portmapper.api.errors import NotAuthorized
from portmapper.api.model import Protocol
from portmapper.store.leases import Store
from portmapper.support.clock import Clock
from portmapper.testing.fake_device import FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")
OTHER = ipaddress.ip_address("192.168.88.77")
WEB, DNS = (Protocol.TCP, 80), (Protocol.UDP, 53)

Close = Callable[[tuple[Protocol, int]], Awaitable[tuple[CloseResult, str]]]


@pytest.fixture
def device() -> FakeDevice:
    """A gateway with a table, on the real clock."""
    return FakeDevice(Clock())


@pytest.fixture
def close(store: Store, tables_of: Any) -> Close:
    """Close one port; return result and detail."""

    async def close(port: tuple[Protocol, int]) -> tuple[CloseResult, str]:
        async with tables_of(*store.leases) as tables:
            outcome = await PortCloser(tables, store, lambda address: address == LOCAL).close(port)
        return outcome.result, outcome.detail

    return close


async def test_our_lease_is_closed_and_removed_from_the_store(
    device: FakeDevice, store: Store, stored: Any, close: Close
) -> None:
    """With one request, although the table has an entry for it, too."""
    device.occupy(*WEB, LOCAL)
    store.put(stored(80))
    assert await close(WEB) == (CloseResult.CLOSED, "")
    assert not list(store.leases)
    assert [verb for _, verb, _ in device.calls].count("unmap") == 1


async def test_an_unknown_entry_to_this_host_is_closed(device: FakeDevice, close: Close) -> None:
    """It may be a lease from a store that was lost."""
    device.occupy(*DNS, LOCAL)
    assert (await close(DNS))[0] is CloseResult.CLOSED
    assert device.open_ports() == set()


async def test_an_entry_to_another_port_of_this_host_is_closed_too(
    device: FakeDevice, store: Store, stored: Any, close: Close
) -> None:
    """Another program of this host took the port of our lease: `close` must not leave it open."""
    store.put(stored(80))
    device.occupy(*WEB, LOCAL, 8081)
    assert (await close(WEB))[0] is CloseResult.CLOSED
    assert device.open_ports() == set()
    assert not list(store.leases)


async def test_an_entry_of_another_host_is_left_alone(device: FakeDevice, close: Close) -> None:
    """The detail names the host."""
    device.occupy(*WEB, OTHER)
    assert await close(WEB) == (CloseResult.LEFT_ALONE, f"it leads to {OTHER}")
    assert device.open_ports() == {WEB}


async def test_a_port_that_is_not_open_is_no_failure(close: Close) -> None:
    """The result says so."""
    assert await close(WEB) == (CloseResult.NOT_OPEN, "")


async def test_a_lease_that_cannot_be_closed_stays_in_the_store(
    device: FakeDevice, store: Store, stored: Any, close: Close
) -> None:
    """The gateway refuses, or no longer answers over that protocol."""
    store.put(stored(80))
    device.occupy(*WEB, LOCAL)
    device.release_error = NotAuthorized("not by you")
    assert await close(WEB) == (CloseResult.FAILED, "UPnP: not by you")
    store.put(stored(81, "natpmp"))
    assert await close((Protocol.TCP, 81)) == (
        CloseResult.FAILED,
        "the gateway does not answer over NAT-PMP",
    )
    assert len(list(store.leases)) == 2


async def test_a_confirmed_row_is_closed_even_if_another_host_owns_it(
    device: FakeDevice, store: Store, tables_of: Any
) -> None:
    """`close --stale` does this after the user has confirmed."""
    device.occupy(*WEB, OTHER)
    async with tables_of() as tables:
        outcome = await PortCloser(tables, store, lambda _: False).close_row(tables.rows[0])
    assert outcome.result is CloseResult.CLOSED
    assert device.open_ports() == set()
