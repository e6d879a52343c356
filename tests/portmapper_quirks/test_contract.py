"""The standard quirk passes the contract of quirks."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from portmapper.api import Device
from portmapper.testing import QuirkContract, QuirkSubject
from portmapper_quirks.miniupnpd_nft import MiniupnpdNft


class TestMiniupnpdNft(QuirkContract):
    """Run portmapper's tests for quirks."""

    @pytest.fixture
    def subject(self) -> QuirkSubject:
        """Return the quirk, and a device that has it."""
        device = Device(ip_address("192.168.1.1"), "Debian/6.1 UPnP/1.1 MiniUPnPd/2.3.1")
        return QuirkSubject(MiniupnpdNft(), device)
