"""portmapper's own backends pass the contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from portmapper.testing import BackendContract, BackendSubject
from portmapper_pcp.backends import NatPmpBackend, PcpBackend
from portmapper_upnp.backend import IgdBackend

Make = Callable[..., Awaitable[BackendSubject]]


class TestPcp(BackendContract):
    """PCP, with the software gateway."""

    @pytest.fixture
    async def subject(self, port_5351: Make) -> Any:
        """A gateway that supports only PCP."""
        return await port_5351("pcp", PcpBackend())


class TestNatPmp(BackendContract):
    """NAT-PMP, with the software gateway."""

    @pytest.fixture
    async def subject(self, port_5351: Make) -> Any:
        """A gateway that supports only NAT-PMP."""
        return await port_5351("natpmp", NatPmpBackend())


@pytest.mark.usefixtures("hurry")
class TestUpnp(BackendContract):
    """UPnP, with the software gateway."""

    @pytest.fixture(params=[1, 2], ids=["IGD1", "IGD2"])
    async def subject(self, igd: Make, request: pytest.FixtureRequest) -> Any:
        """An IGD of each version."""
        return await igd(IgdBackend(), request.param)
