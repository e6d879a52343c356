"""Profiles of router models."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper_simulator.profiles import PROFILES, settings_of
from portmapper_simulator.quirks import QUIRKS


@pytest.mark.parametrize("name", list(PROFILES))
async def test_every_profile_starts(name: str, stack: Any) -> None:
    """Its quirks exist, and its protocols are enabled."""
    from portmapper_simulator.gateway import EmbeddedGateway

    settings = settings_of(name)
    assert settings.quirks <= QUIRKS.keys()
    gateway = await stack.enter_async_context(EmbeddedGateway(settings))
    assert bool(gateway.pcp_port) == bool(settings.protocols & {"pcp", "natpmp"})
    assert bool(gateway.location) == ("upnp" in settings.protocols)
