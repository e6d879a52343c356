"""The ports of well-known programs."""

from __future__ import annotations

import pytest

from portmapper.api.errors import SettingError, UsageError
from portmapper.sources.port_syntax import parse_port_argument
from portmapper.sources.presets import Preset, find_preset, presets, read_presets, use_own_presets


@pytest.mark.parametrize("preset", presets().values(), ids=presets())
def test_every_preset_has_valid_ports_and_a_page(preset: Preset) -> None:
    """Each port names its protocol."""
    assert preset.ports
    assert preset.title
    # Either a URL or the title of a page, never a URL in part.
    assert preset.page.startswith("https://") or (preset.page and "/" not in preset.page)
    for ports in preset.ports:
        assert "/" in ports
        parse_port_argument(ports)


def _single_ports(preset: Preset) -> list[tuple[str, int]]:
    """Return each port of a preset with its protocol."""
    parsed = [parse_port_argument(text) for text in preset.ports]
    return [(protocol.value, port) for ports, protocols in parsed for port in ports for protocol in protocols]


@pytest.mark.parametrize("preset", presets().values(), ids=presets())
def test_no_preset_names_a_port_twice(preset: Preset) -> None:
    """The second request would only renew the first."""
    ports = _single_ports(preset)
    assert len(ports) == len(set(ports))


def test_only_programs_with_the_same_default_share_all_their_ports() -> None:
    """Emby and Jellyfin have a common origin. Elsewhere, equal ports would be a copied mistake."""
    by_ports: dict[frozenset[tuple[str, int]], list[str]] = {}
    for name, preset in presets().items():
        by_ports.setdefault(frozenset(_single_ports(preset)), []).append(name)
    assert [names for names in by_ports.values() if len(names) > 1] == [["jellyfin", "emby"]]


def test_there_are_sixty_presets() -> None:
    """Names are in lower case, so that upper and lower case are the same."""
    assert len(presets()) >= 60
    assert all(name == name.lower() for name in presets())
    assert find_preset("WireGuard").ports == ("51820/udp",)


def test_an_unknown_preset_is_a_usage_error() -> None:
    """The message suggests the nearest one."""
    with pytest.raises(UsageError, match="wireguard"):
        find_preset("wiregard")


def test_the_settings_define_presets_and_replace_ours() -> None:
    """Names are the same in upper and lower case; the title is the name by default."""
    use_own_presets(read_presets({"My-Game": {"ports": ["27100/udp", "80"]}, "ssh": {"ports": ["2222/tcp"]}}))
    try:
        assert find_preset("my-game") == Preset(("27100/udp", "80/tcp"), "my-game")
        assert find_preset("ssh").ports == ("2222/tcp",)
        assert find_preset("wireguard").ports == ("51820/udp",)
    finally:
        use_own_presets({})
    assert find_preset("ssh").ports == ("22/tcp",)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([], "write .preset.NAME."),
        ({"8080": {"ports": ["1/tcp"]}}, "8080: a name has letters"),
        ({"any": {"ports": ["1/tcp"]}}, "any: a name has letters"),
        ({"mine": {}}, "mine.ports: is missing"),
        ({"mine": {"ports": []}}, "mine.ports: .* is not a list of ports"),
        ({"mine": {"ports": "80/tcp"}}, "mine.ports: .* is not a list of ports"),
        ({"mine": {"ports": [80]}}, "mine.ports: 80 is not PORT/PROTOCOL"),
        ({"mine": {"ports": ["any/tcp"]}}, "mine.ports: 'any/tcp' is not PORT/PROTOCOL"),
        ({"mine": {"ports": ["1/tcp"] * 65}}, "is not a list of ports"),
        ({"mine": {"ports": ["1/tcp"], "titel": "x"}}, "mine.titel: unknown key, did you mean title"),
    ],
)
def test_an_invalid_preset_is_a_setting_error(tables: object, message: str) -> None:
    """The path leads to the key."""
    with pytest.raises(SettingError, match=message):
        read_presets(tables)
