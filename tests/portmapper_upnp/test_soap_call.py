"""Calls to the actions of a service."""

from __future__ import annotations

import ipaddress

import pytest

from portmapper_upnp.soap_call import read_address, read_number


async def test_h7_calls_have_the_form_that_strict_routers_require(router, connected, request_for):
    """Exact header name, quoted value, arguments in order, nothing before the XML."""
    await (await connected()).map(request_for())
    head = next(head for head in router.heads if "#AddPortMapping" in head)
    assert '\r\nSOAPAction: "urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping"\r\n' in head
    assert f"\r\nHost: 127.0.0.1:{router.port}\r\n" in head
    assert list(router.named("AddPortMapping")[0]) == [
        "NewRemoteHost",
        "NewExternalPort",
        "NewProtocol",
        "NewInternalPort",
        "NewInternalClient",
        "NewEnabled",
        "NewPortMappingDescription",
        "NewLeaseDuration",
    ]
    assert router.named("AddPortMapping")[0]["NewProtocol"] == "TCP"


@pytest.mark.parametrize(
    ("text", "number"),
    [("80", 80), (" 80 ", 80), ("65536", 0), ("-1", 0), ("8 0", 0), ("", 0), ("٨", 0), ("1" * 11, 0)],
)
def test_a_number_is_decimal_and_within_its_range(text, number):
    """Anything else counts as 0."""
    assert read_number(text, 65535) == number


def test_an_address_is_valid_or_none():
    """Routers also put host names and empty text there."""
    assert read_address(" 192.168.1.2 ") == ipaddress.ip_address("192.168.1.2")
    assert read_address("2001:db8::1") == ipaddress.ip_address("2001:db8::1")
    assert read_address("my-computer") is None
    assert read_address("") is None
