"""The table `[plugin.pia]`."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from portmapper_pia.settings import PiaTable

from portmapper.api import SettingError, structure

VALID = {"server": "Zurich407", "token_file": "/etc/token", "ca": "/etc/ca.pem"}


def test_a_table_with_a_server_is_valid() -> None:
    """The gateway is that of the route, at the provider's port."""
    table = structure(PiaTable, VALID)
    assert (table.server, table.gateway) == ("zurich407", None)
    assert structure(PiaTable, {**VALID, "gateway": "10.4.128.1"}).gateway == (
        IPv4Address("10.4.128.1"),
        19999,
    )


@pytest.mark.parametrize("key", ["token_file", "ca"])
def test_a_server_needs_a_token_and_an_authority(key: str) -> None:
    """The error names the missing key."""
    with pytest.raises(SettingError, match=f"{key}: is missing"):
        structure(PiaTable, {name: value for name, value in VALID.items() if name != key})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("server", value) for value in ("10.4.128.1", "https://zurich407", "a b", "-x", "x" * 300, 5)],
        *[("gateway", value) for value in ("zurich407", "10.4.128.1:", "10.4.128.1:0", "10.4.128.1:99999")],
        *[("gateway", value) for value in ("0.0.0.0", "224.0.0.1", "::1", 5, "10.4.128.1:²")],
        *[("token_file", value) for value in ("token", 5, "/a\0b")],
        ("ca", "ca.pem"),
    ],
)
def test_an_invalid_value_is_rejected(key: str, value: object) -> None:
    """The error names the key."""
    with pytest.raises(SettingError, match=key):
        structure(PiaTable, {**VALID, key: value})
