"""`portmapper.Client` with the embedded gateway."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

import portmapper
from portmapper.api.errors import Conflict, NoGateway, UsageError
from portmapper.api.model import MappingState


async def test_a_port_is_open_inside_the_block(gateway: Any, options: dict[str, Any]) -> None:
    """A port can be closed earlier, once or twice; the end of the block closes the others."""
    async with portmapper.Client(**options) as client:
        first = await client.open(8080, "tcp")
        second = await client.open(8081, "UDP", internal_port=81)
        assert gateway.ports() == {8080, 8081}
        assert (first.state, first.external_port, first.backend) == (MappingState.ACTIVE, 8080, "pcp")
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


async def test_invalid_arguments_are_usage_errors(options: dict[str, Any]) -> None:
    """They are raised before anything is sent."""
    with pytest.raises(UsageError):
        portmapper.Client(conflict="perhaps")
    with pytest.raises(UsageError, match="inside"):
        await portmapper.Client().open(80)
    async with portmapper.Client(**options) as client:
        for arguments in ((70000, "tcp"), (0, "tcp"), (80, "sctp")):
            with pytest.raises(UsageError):
                await client.open(*arguments)


async def test_the_family_must_match_the_address(options: dict[str, Any]) -> None:
    """It is `ipv4` or `ipv6`; without an IPv6 gateway, the error says so."""
    async with portmapper.Client(**options) as client:
        for family in ("ipv5", "ipv6"):
            with pytest.raises(UsageError):
                await client.open(8080, family=family, address=ipaddress.ip_address("192.168.1.1"))
        with pytest.raises(NoGateway, match="no IPv6 gateway is named"):
            await client.open(8080, family="ipv6")


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
    assert (lease.endpoints, lease.error) == ({}, None)
