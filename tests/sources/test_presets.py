"""The ports of well-known programs."""

from __future__ import annotations

import pytest

from portmapper.api.errors import UsageError
from portmapper.sources.port_syntax import parse_port_argument
from portmapper.sources.presets import Preset, find_preset, presets


@pytest.mark.parametrize("preset", presets().values(), ids=presets())
def test_every_preset_has_valid_ports_and_a_page(preset: Preset) -> None:
    """Each port names its protocol."""
    assert preset.ports
    assert preset.title
    assert preset.page.startswith("https://")
    for ports in preset.ports:
        assert "/" in ports
        parse_port_argument(ports)


def test_there_are_about_forty_presets() -> None:
    """Names are in lower case, so that upper and lower case are the same."""
    assert len(presets()) >= 40
    assert all(name == name.lower() for name in presets())
    assert find_preset("WireGuard").ports == ("51820/udp",)


def test_an_unknown_preset_is_a_usage_error() -> None:
    """The message suggests the nearest one."""
    with pytest.raises(UsageError, match="wireguard"):
        find_preset("wiregard")
