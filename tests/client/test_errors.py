"""Each error that the page on the Python API names, raised by a gateway that causes it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import portmapper
from portmapper_simulator.gateway import EmbeddedGateway
from portmapper_simulator.settings import Rule, Settings

PROTOCOLS = ("pcp", "natpmp", "upnp")


def a_gateway(protocol: str, **settings: Any) -> EmbeddedGateway:
    """Return a gateway that speaks one protocol; it relays nothing."""
    return EmbeddedGateway(Settings(protocols=frozenset({protocol}), relay=False, **settings))


def options_of(gateway: EmbeddedGateway, protocol: str) -> dict[str, Any]:
    """Return the options of a client that uses only this gateway."""
    place = gateway.location if protocol == "upnp" else f"127.0.0.1:{gateway.pcp_port}"
    return {"gateway": place, "backend": protocol}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_gateway_that_denies_a_port_raises_not_authorized(protocol: str) -> None:
    """The message names no option and no plugin, and the port is not kept."""
    async with a_gateway(protocol, rules=(Rule(allow=False),)) as gateway:
        async with portmapper.Client(**options_of(gateway, protocol)) as client:
            with pytest.raises(portmapper.NotAuthorized) as raised:
                await client.open(8080)
            assert client.mappings() == []
        assert isinstance(raised.value, portmapper.BackendError)
        assert "--" not in str(raised.value)


@pytest.mark.parametrize("protocol", ["pcp", "natpmp"])
async def test_a_full_gateway_raises_no_resources(protocol: str) -> None:
    """What was open before stays open."""
    async with (
        a_gateway(protocol, max_mappings=1) as gateway,
        portmapper.Client(**options_of(gateway, protocol)) as client,
    ):
        first = await client.open(8080)
        with pytest.raises(portmapper.NoResources):
            await client.open(8081)
        assert (first.state, client.mappings()) == ("active", [first])


@pytest.mark.parametrize("protocol", ["pcp", "natpmp"])
async def test_a_port_of_another_client_raises_conflict(protocol: str) -> None:
    """With the policy `fail`; with `next`, another port is opened. UPnP knows hosts, but no clients."""
    async with a_gateway(protocol) as gateway:
        options = options_of(gateway, protocol)
        async with portmapper.Client(**options) as holder, portmapper.Client(**options) as client:
            await holder.open(8080)
            with pytest.raises(portmapper.Conflict):
                await client.open(8080, internal_port=81, conflict="fail")
            lease = await client.open(8080, internal_port=81, conflict="next")
            assert lease.external_port not in (None, 8080)


@pytest.mark.parametrize("call", ["open", "discover", "external_address"])
async def test_outside_the_block_every_call_raises_a_usage_error(call: str) -> None:
    """Before the block and after it."""
    client = portmapper.Client(gateway="127.0.0.1:1", backend="pcp")
    arguments = (8080,) if call == "open" else ()
    with pytest.raises(portmapper.UsageError, match="inside 'with' or 'async with'"):
        await getattr(client, call)(*arguments)
    async with client:
        pass
    with pytest.raises(portmapper.UsageError, match="inside 'with' or 'async with'"):
        await getattr(client, call)(*arguments)


async def test_every_error_is_a_portmapper_error() -> None:
    """One `except` is enough."""
    for name in ("BackendError", "Conflict", "NoGateway", "NoResources", "NotAuthorized", "UsageError"):
        assert issubclass(getattr(portmapper, name), portmapper.PortmapperError)


async def test_a_cancelled_open_leaves_nothing_open() -> None:
    """The program gave up while the gateway was silent; the gateway answers later."""
    async with a_gateway("pcp") as gateway:
        gateway.mute("pcp")
        async with portmapper.Client(**options_of(gateway, "pcp")) as client:
            opening = asyncio.create_task(client.open(8080))
            while not client.mappings():
                await asyncio.sleep(0)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            assert client.mappings() == []
            gateway.unmute("pcp")
            lease = await client.open(8081)
            assert lease.state == "active"
            assert {entry.external_port for entry in gateway.table} == {8081}
        assert {entry.external_port for entry in gateway.table} == set()


async def test_a_cancelled_program_closes_its_ports() -> None:
    """Cancellation ends the block like any other exception, and other ports stay open."""
    async with a_gateway("pcp") as gateway:
        opened = asyncio.Event()

        async def program() -> None:
            async with portmapper.Client(**options_of(gateway, "pcp")) as client:
                await client.open(8080)
                opened.set()
                await asyncio.Event().wait()

        async with portmapper.Client(**options_of(gateway, "pcp")) as other:
            await other.open(9000)
            task = asyncio.create_task(program())
            await opened.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert {entry.external_port for entry in gateway.table} == {9000}


async def test_an_exception_in_the_block_closes_its_ports_and_is_raised() -> None:
    """It is the program's own."""
    async with a_gateway("pcp") as gateway:
        options = options_of(gateway, "pcp")

        async def program() -> None:
            async with portmapper.Client(**options) as client:
                await client.open(8080)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await program()
        assert not [*gateway.table]


def test_a_sync_client_raises_the_same_errors() -> None:
    """From its own thread to the caller's."""
    client = portmapper.SyncClient(gateway="127.0.0.1:1", backend="pcp")
    with pytest.raises(portmapper.UsageError):
        client.open(8080)
    with client, pytest.raises(portmapper.NoGateway):
        client.open(8080)
    with client, pytest.raises(ValueError, match="port"):
        client.open(70000)
    with client, pytest.raises(TypeError, match="port must be a whole number"):
        client.open("80")  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_gateway_without_an_address_raises_a_network_failure(protocol: str) -> None:
    """The cable to the provider is out; the gateway is found all the same."""
    async with (
        a_gateway(protocol, external_address="0.0.0.0") as gateway,
        portmapper.Client(**options_of(gateway, protocol)) as client,
    ):
        with pytest.raises(portmapper.NetworkFailure, match="is it connected to the internet"):
            await client.external_address()
        assert [found.external_kind for found in await client.discover()] == ["none"]


async def test_without_a_gateway_there_is_no_address() -> None:
    """And `discover` returns an empty list."""
    async with portmapper.Client(gateway="127.0.0.1:1", backend="pcp") as client:
        with pytest.raises(portmapper.NoGateway):
            await client.external_address()
        assert await client.discover() == []
