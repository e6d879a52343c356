"""URLs that a device sent, and whether they are fetched."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper_upnp.location_check import acceptable_location, at_same_host

LOCATION = "http://192.168.1.1:5000/desc.xml"


@given(st.text(), st.text())
def test_any_url_is_refused_or_on_the_host(url, location):
    """No text makes a check fail."""
    found = acceptable_location(url, ipaddress.ip_address("192.168.1.1"))
    assert found is None or "192.168.1.1" in found
    at_same_host(url, location)
    at_same_host(url, LOCATION)


LINK_LOCAL = ipaddress.ip_address("fe80::1")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://[fe80::1]:5000/x", "http://[fe80::1%7]:5000/x"),
        ("http://[2001:db8::1]:5000/x", "http://[fe80::1%7]:5000/x"),
        ("http://192.168.1.1:5000/x", "http://[fe80::1%7]:5000/x"),
        ("http://[::1]/x", "http://[fe80::1%7]/x"),
        ("[fe80::1]:5000/x", "http://[fe80::1%7]:5000/x"),
        ("<http://[fe80::1]:5000/x>", "http://[fe80::1%7]:5000/x"),
        ("file:/etc/passwd", None),
        ("http://router.lan/x", None),
        ("https://[fe80::1]/x", None),
        ("http://user:secret@[fe80::1]/x", "http://[fe80::1%7]/x"),
        ("http://[fe80::1]/my x.xml", "http://[fe80::1%7]/my%20x.xml"),
        ("http://[fe80::1]\\x?a=1&amp;b=2", "http://[fe80::1%7]/x?a=1&b=2"),
        ("http://[fe80::1", None),
    ],
)
def test_a_location_is_at_its_sender_with_its_zone(url, expected):
    """D7, and the rule of D6 for hosts with several addresses."""
    assert acceptable_location(url, LINK_LOCAL, "7") == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://[fe80::1]:80/fw", "http://[fe80::1%7]:80/fw"),
        ("http://[2001:db8::1]/fw", "http://[fe80::1%7]/fw"),
        ("http://elsewhere.example/fw", None),
    ],
)
def test_a_control_url_is_at_the_location(url, expected):
    """Whichever address of the router it names."""
    assert at_same_host(url, "http://[fe80::1%7]:5000/x") == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://192.168.1.1:5000/d.xml", "http://192.168.1.1:5000/d.xml"),
        ("http://192.168.1.3:5000/d.xml", None),
        ("http://[::1]:1900/d.xml", "http://192.168.1.2:1900/d.xml"),
        ("http://[fe80::1]:1900/d.xml", None),
    ],
)
def test_d11_a_location_on_the_default_gateway_is_accepted(url, expected):
    """From any sender; `[::1]` means the sender itself (D12)."""
    sender, gateway = ipaddress.ip_address("192.168.1.2"), ipaddress.ip_address("192.168.1.1")
    assert acceptable_location(url, sender, gateway=gateway) == expected


@pytest.mark.parametrize(
    ("url", "sender", "expected"),
    [
        ("http://myrouter.lan:5000/d.xml", "192.168.1.1", "http://192.168.1.1:5000/d.xml"),
        ("http://myrouter.lan:5000/d.xml", "192.168.1.2", None),
        ("http://localhost:5000/d.xml", "192.168.1.1", None),
        ("http://192.168.99.1:5000/d.xml", "192.168.1.1", None),
    ],
)
def test_d6_a_name_in_an_answer_of_the_default_gateway_means_the_gateway(url, sender, expected):
    """No name is resolved, and no other host may use one."""
    gateway = ipaddress.ip_address("192.168.1.1")
    assert acceptable_location(url, ipaddress.ip_address(sender), gateway=gateway) == expected
