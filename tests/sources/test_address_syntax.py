"""Every address notation that a source may use."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import RowError
from portmapper.sources.address_syntax import parse_address


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("192.168.0.10", "192.168.0.10"),
        ("192.168.0.10/32", "192.168.0.10"),
        ("192.168.0.10/255.255.255.255", "192.168.0.10"),
        ("192.168.0.10/24", "192.168.0.0/24"),
        ("192.168.0.10/255.255.255.0", "192.168.0.0/24"),
        ("192.168.0.10/255.255.254.0", "192.168.0.0/23"),
        ("192.168.0", "192.168.0.0/24"),
        ("192.168.0/24", "192.168.0.0/24"),
        ("192.168.0/255.255.255.0", "192.168.0.0/24"),
        ("192.168", "192.168.0.0/16"),
        ("192.168/16", "192.168.0.0/16"),
        ("192", "192.0.0.0/8"),
        ("192/8", "192.0.0.0/8"),
        ("0", "0.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("10.1.2.3/0.0.0.0", "0.0.0.0/0"),
        ("255.255.255.255/31", "255.255.255.254/31"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8::1/128", "2001:db8::1"),
        ("2001:db8::1/64", "2001:db8::/64"),
    ],
)
def test_a_notation_means_a_host_or_a_network(text: str, meaning: str) -> None:
    """Host bits are masked, short forms filled up, and a network of one address is a host."""
    expected = ipaddress.ip_network(meaning) if "/" in meaning else ipaddress.ip_address(meaning)
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["", "0.0.0.0", "0.0.0.0/32"])
def test_no_address_is_this_host(text: str) -> None:
    """Binding to 0.0.0.0 is what upnp-daemon does with no address too."""
    assert parse_address(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "192.168.0/16",
        "192.168/24",
        "192/16",
        "192.168.0/255.255.0.0",
        "192.168.0.0/33",
        "192.168.0.0/08",
        "192.168.0.0/",
        "192.168.0.0/-1",
        "192.168.0.01",
        "192.168.00.1",
        "010.0.0.1",
        "192.168.0.",
        ".192.168.0",
        "192..168",
        "192.168.0.1.2",
        "256.0.0.1",
        "*",
        "192.168.0.*",
        "192.168.0.1-192.168.0.9",
        "192.168.0.1-9",
        "192.168.0.0/255.0.255.0",
        "192.168.0.0/255.255.255.1",
        "192.168.0.0/0.0.0.255",
        "192.168. 0.1",
        " 192.168.0.1",
        "192.168.0.1 ",
        "192.168.0.1\n",
        " ",
        "١٩٢.168.0.1",
        "192.168.0.1²",
        "localhost",
        "0xC0A80001",
        "fe80::1%eth0",
        "2001:db8::/129",
        "2001:db8::/064",
        "2001:db8:::1",
        "::",
        "::1/",
        "[::1]",
    ],
)
def test_anything_else_is_refused_with_the_value(text: str) -> None:
    """The reason names what was written, in one line."""
    with pytest.raises(RowError) as caught:
        parse_address(text)
    assert caught.value.field == "address"
    assert repr(text) in caught.value.reason
    assert "\n" not in caught.value.reason


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("192.168.0/16", "192.168.0 alone means /24"),
        ("192.168.0.0/08", "leading zero"),
        ("192.168.0.0/255.0.255.0", "not contiguous"),
        ("192.168. 0.1", "space"),
        ("192.168.0.1-9", "as a network"),
    ],
)
def test_the_reason_says_what_to_write_instead(text: str, hint: str) -> None:
    """A common mistake gets its own words."""
    with pytest.raises(RowError, match=hint):
        parse_address(text)


@given(st.one_of(st.text(), st.from_regex(r"[0-9./:a-f]{1,20}")))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but a RowError comes out, whatever goes in."""
    field = "address"
    try:
        parse_address(text)
    except RowError as error:
        field = error.field
    assert field == "address"


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_a_full_network_is_what_python_reads(address: ipaddress.IPv4Address, length: int) -> None:
    """Prefix length and netmask spell the same network."""
    network = ipaddress.ip_network((address, length), strict=False)
    expected = network if length < 32 else (address if int(address) else None)
    assert parse_address(f"{address}/{length}") == expected
    assert parse_address(f"{address}/{network.netmask}") == expected
