"""The software gateway for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portmapper.api.errors import PortmapperError
from portmapper.testing import embedded_gateway


async def test_the_software_gateway_runs_within_the_block(portmapper_gateway: Callable[..., Any]) -> None:
    """It has its port and an empty table."""
    async with portmapper_gateway(protocols=frozenset({"pcp"})) as gateway:
        assert gateway.pcp_port
        assert not list(gateway.table)


@pytest.mark.parametrize("settings", [{"quirks": frozenset({"X99"})}, {"protocols": frozenset({"sctp"})}])
async def test_an_unknown_setting_is_an_error(settings: dict[str, Any]) -> None:
    """It is raised on entering the block."""
    with pytest.raises(PortmapperError):
        async with embedded_gateway(**settings):
            pass


async def test_a_restart_clears_the_table() -> None:
    """The gateway keeps listening on the same port."""
    async with embedded_gateway(protocols=frozenset({"pcp"}), external_address="203.0.113.7") as gateway:
        port = gateway.pcp_port
        await gateway.restart()
        assert (gateway.pcp_port, list(gateway.table)) == (port, [])
