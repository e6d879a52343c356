"""Every notation of an address in a source."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import RowError
from portmapper.sources.address_syntax import parse_address, parse_gateway


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
        ("::ffff:192.168.0.10", "192.168.0.10"),
        ("::FFFF:c0a8:000a", "192.168.0.10"),
        ("0:0:0:0:0:ffff:192.168.0.10/128", "192.168.0.10"),
        ("::ffff:192.168.0.10/120", "192.168.0.0/24"),
    ],
)
def test_a_notation_means_a_host_or_a_network(text: str, meaning: str) -> None:
    """Host bits are masked, short forms are completed, and a network of one address is a host."""
    expected = ipaddress.ip_network(meaning) if "/" in meaning else ipaddress.ip_address(meaning)
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["", "0.0.0.0", "0.0.0.0/32", "::ffff:0.0.0.0"])
def test_no_address_is_this_host(text: str) -> None:
    """upnp-daemon also treats 0.0.0.0 like no address."""
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
def test_anything_else_is_rejected_with_the_value(text: str) -> None:
    """The reason quotes the text, in one line."""
    with pytest.raises(RowError) as caught:
        parse_address(text)
    assert caught.value.field == "address"
    assert repr(text) in caught.value.reason
    assert "\n" not in caught.value.reason


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("aa:bb:cc:dd:ee:ff", "not its hardware address"),
        ("192.168.0/16", "192.168.0 alone means /24"),
        ("192.168.0.0/08", "leading zero"),
        ("192.168.0.0/255.0.255.0", "not contiguous"),
        ("192.168. 0.1", "space"),
        ("192.168.0.1-9", "as a network"),
    ],
)
def test_the_reason_says_what_to_write_instead(text: str, hint: str) -> None:
    """For common mistakes."""
    with pytest.raises(RowError, match=hint):
        parse_address(text)


@given(st.one_of(st.text(), st.from_regex(r"[0-9./:a-f]{1,20}")))
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    """The only error is `RowError`."""
    field = "address"
    try:
        parse_address(text)
    except RowError as error:
        field = error.field
    assert field == "address"


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_a_full_network_is_parsed_as_python_parses_it(address: ipaddress.IPv4Address, length: int) -> None:
    """Prefix length and netmask mean the same network."""
    network = ipaddress.ip_network((address, length), strict=False)
    expected = network if length < 32 else (address if int(address) else None)
    assert parse_address(f"{address}/{length}") == expected
    assert parse_address(f"{address}/{network.netmask}") == expected


@pytest.mark.parametrize(
    ("text", "gateway"),
    [
        ("", None),
        ("Default", None),
        ("ALL", "all"),
        ("192.168.88.1", "192.168.88.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("::ffff:192.168.88.1", "192.168.88.1"),
    ],
)
def test_a_gateway_is_default_all_or_an_address(text: str, gateway: str | None) -> None:
    """Without a gateway, the best one is used."""
    assert parse_gateway(text) == gateway


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://192.168.88.1/igd.xml", "is not one of default, all, or an address"),
        ("192.168.88.1:5351", "is not one of default, all, or an address"),
        ("0.0.0.0", "cannot be the address of a gateway"),
        ("224.0.0.1", "cannot be the address of a gateway"),
        ("255.255.255.255", "cannot be the address of a gateway"),
        ("fe80::1", "add its interface, as in fe80::1%eth0"),
    ],
)
def test_any_other_gateway_is_rejected(text: str, reason: str) -> None:
    """A URL or a port is not allowed, because the list may come from an untrusted server."""
    with pytest.raises(RowError, match=reason) as caught:
        parse_gateway(text)
    assert caught.value.field == "gateway"
