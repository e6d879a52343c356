"""`portmapper.Client` with the embedded gateway."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

import portmapper
from portmapper import Event, Lease
from portmapper.api.errors import Conflict, NoGateway, UsageError


async def test_a_port_is_open_inside_the_block(gateway: Any, options: dict[str, Any]) -> None:
    """A port can be closed earlier, once or twice; the end of the block closes the others."""
    async with portmapper.Client(**options) as client:
        first = await client.open(8080, "tcp")
        second = await client.open(8081, "UDP", internal_port=81)
        assert gateway.ports() == {8080, 8081}
        assert (first.state, first.external_port, first.backend) == ("active", 8080, "pcp")
        assert str(first.external_address) == "11.22.33.44"
        await second.close()
        await second.close()
        assert gateway.ports() == {8080}
        assert (second.external_port, first.error) == (None, None)
    assert gateway.ports() == set()


async def test_without_a_gateway_open_raises_an_error(silence: Any) -> None:
    """The mapping is not desired any longer."""
    async with portmapper.Client(gateway=[silence[1]], backend=["pcp"]) as client:
        with pytest.raises(NoGateway):
            await client.open(8080)


async def test_invalid_arguments_are_value_errors(options: dict[str, Any]) -> None:
    """They are raised before anything is sent, and name no option of the command line."""
    with pytest.raises(ValueError, match="keep, next, overwrite, fail"):
        portmapper.Client(conflict="perhaps")
    with pytest.raises(UsageError, match="inside"):
        await portmapper.Client().open(80)
    for wrong in ({"backend": ["none"]}, {"gateway": ["router"]}):
        with pytest.raises(ValueError, match=r"none|router") as raised:
            await portmapper.Client(**wrong).__aenter__()
        assert "--" not in str(raised.value)
    async with portmapper.Client(**options) as client:
        for arguments in ((70000, "tcp"), (0, "tcp"), (80, "sctp")):
            with pytest.raises(ValueError, match=r"must be|needs"):
                await client.open(*arguments)
        for port in (80.5, "80"):
            with pytest.raises(TypeError, match="port must be a whole number"):
                await client.open(port)  # type: ignore[arg-type]
        with pytest.raises(NoGateway, match="no IPv6 gateway is named"):
            await client.open(8080, family="ipv6")
        assert client.mappings() == []


async def test_a_refused_port_raises_the_gateways_error(gateway: Any, options: dict[str, Any]) -> None:
    """Under `fail`, a port that another client holds is a conflict."""
    async with portmapper.Client(**options) as client, portmapper.Client(**options, conflict="fail") as other:
        await client.open(8080)
        with pytest.raises(Conflict):
            await other.open(8080, internal_port=81)
        assert gateway.ports() == {8080}
        assert (await client.open(8081)).error is None


async def test_a_port_on_all_gateways_lists_its_endpoints(options: dict[str, Any]) -> None:
    """By the address of each gateway that holds it."""
    async with portmapper.Client(**options) as client:
        lease = await client.open(8080, gateway="all")
        assert [port for _, port in lease.endpoints.values()] == [8080]
        assert lease.endpoints["127.0.0.1"] == (lease.external_address, lease.external_port)


async def test_a_lease_can_be_read_after_the_block(options: dict[str, Any]) -> None:
    """It is closed then."""
    async with portmapper.Client(**options) as client:
        lease = await client.open(8080)
    assert (lease.mapping.port, lease.external_port, lease.backend) == (8080, None, None)
    assert (lease.endpoints, lease.error, lease.state) == ({}, None, "closed")
    assert repr(lease) == "<Lease 8080/tcp closed>"


async def test_a_lease_is_readable(options: dict[str, Any]) -> None:
    """The port, the state, and where it is open."""
    async with portmapper.Client(**options) as client:
        lease = await client.open(8080, internal_port=80, lifetime=120)
        expected = "<Lease 8080/tcp active: 11.22.33.44:8080 → 127.0.0.1:80 over PCP on 127.0.0.1>"
        assert (repr(lease), repr(client)) == (expected, "<Client: 1 lease>")
        assert (lease.gateway, lease.internal_port, lease.lifetime) == ("127.0.0.1", 80, 120)
        assert str(lease.internal_address) == "127.0.0.1"
    assert repr(client) == "<Client: not started>"


async def test_two_leases_of_a_port_share_it(gateway: Any, options: dict[str, Any]) -> None:
    """It is closed with the last one; another internal port is a conflict."""
    async with portmapper.Client(**options) as client:
        first, second = await client.open(8080), await client.open(8080)
        assert (first.is_shared, second.is_shared, client.mappings()) == (True, True, [first, second])
        with pytest.raises(Conflict, match="8080/tcp is in use: this client opened it for this host:8080"):
            await client.open(8080, internal_port=81)
        with pytest.raises(Conflict, match="8080/tcp is in use: this client opened it for every host"):
            await client.open(8080, remote="198.51.100.7")
        await first.close()
        assert (first.state, second.state, second.is_shared) == ("closed", "active", False)
        assert (gateway.ports(), client.mappings()) == ({8080}, [second])
        await client.close(second)
        assert (gateway.ports(), client.mappings()) == (set(), [])


async def test_a_client_closes_only_its_own_leases(options: dict[str, Any]) -> None:
    """The lease of another client stays open."""
    async with portmapper.Client(**options) as one, portmapper.Client(**options) as other:
        lease = await one.open(8080)
        with pytest.raises(ValueError, match="belongs to another client"):
            await other.close(lease)
        with pytest.raises(UsageError, match="create another client"):
            await one.__aenter__()
        assert lease.state == "active"


async def test_without_waiting_the_client_keeps_trying(silence: Any) -> None:
    """The lease is pending until a gateway answers."""
    async with portmapper.Client(gateway=[silence[1]], backend=["pcp"]) as client:
        lease = await client.open(8080, wait=False)
        assert (lease.state, lease.external_port) == ("pending", None)
        assert client.mappings() == [lease]
        await lease.close()
        assert lease.state == "closed"


async def test_changes_reach_functions_coroutines_and_iterators(options: dict[str, Any]) -> None:
    """In order; the iterator ends when the lease is closed."""
    seen: list[tuple[str, str]] = []

    async def coroutine(lease: Lease, event: Event) -> None:
        await asyncio.sleep(0)
        seen.append((lease.mapping.protocol.lower(), event.kind))

    async with portmapper.Client(**options) as client:
        first = await client.open(8080, on_change=coroutine)
        await client.open(8081, "udp", on_change=lambda lease, event: seen.append(("udp", event.kind)))
        changes = first.changes()
        await first.close()
        assert [event.kind async for event in changes] == ["closed"]
        assert [event async for event in first.changes()] == []
    assert seen == [("tcp", "opened"), ("udp", "opened"), ("tcp", "closed"), ("udp", "closed")]


async def test_a_restart_of_the_gateway_is_a_change(gateway: Any, options: dict[str, Any]) -> None:
    """It concerns every lease on the gateway."""
    async with portmapper.Client(**options) as client:
        lease = await client.open(8080)
        changes = lease.changes()
        gateway.restart()
        await client.open(8081)  # the answer tells the restart; nothing announces it on loopback
        async with asyncio.timeout(60):
            assert (await anext(changes)).kind == "gateway_restarted"
            while gateway.ports() != {8080, 8081}:
                await asyncio.sleep(0.01)


async def test_a_faulty_callback_ends_nothing(
    gateway: Any, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and may itself close the lease."""

    async def closing(lease: Lease, event: Event) -> None:
        await lease.close()
        raise RuntimeError

    async with portmapper.Client(**options) as client:
        lease = await client.open(8080, on_change=closing)
        async with asyncio.timeout(60):
            while gateway.ports():
                await asyncio.sleep(0.01)
    assert lease.state == "closed"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "on_change of 8080/tcp failed",
        "on_change of 8080/tcp failed",
    ]


async def test_the_client_finds_gateways_and_the_address(gateway: Any, options: dict[str, Any]) -> None:
    """With and without a lease; over PCP, a lease reports the address."""
    async with portmapper.Client(**options) as client:
        (found,) = await client.discover()
        assert (str(found.address), found.backend, found.protocol) == ("127.0.0.1", "pcp", "PCP 2")
        assert (found.external_address, found.external_kind) == (None, "none")
        assert repr(found) == "<FoundGateway PCP 2 on 127.0.0.1>"
        assert str(await client.external_address()) == "11.22.33.44"
        assert gateway.ports() == set()
        await client.open(8080)
        assert str(await client.external_address("ipv4")) == "11.22.33.44"
        with pytest.raises(ValueError, match="family"):
            await client.external_address("ipx")


async def test_a_port_can_be_restricted_to_remote_hosts(gateway: Any, options: dict[str, Any]) -> None:
    """The gateway gets them, and a lease for other hosts does not share the port."""
    async with portmapper.Client(**options) as client:
        lease = await client.open(8080, remote="198.51.100.0/24")
        assert lease.state == "active"
        with pytest.raises(Conflict, match=r"this client opened it for 198\.51\.100\.0/24"):
            await client.open(8080)
