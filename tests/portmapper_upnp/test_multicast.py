"""The sockets for SSDP."""

from __future__ import annotations

import ipaddress

import pytest

from portmapper_upnp.multicast import destination, interface_index, listening_socket, searching_socket

ME = ipaddress.ip_address("::1")


def test_the_interface_is_that_of_the_gateway():
    """By the zone's name or number, else our own interface; an unknown one means any."""
    assert interface_index("", ipaddress.ip_address("fe80::1%7")) == 7
    assert interface_index("lo", None) == interface_index("", ipaddress.ip_address("fe80::1%lo")) > 0
    assert interface_index("no-such", None) == interface_index("", None) == 0


def test_sockets_are_bound_where_answers_come_from():
    """To the source address for the gateway; to the group, for announcements."""
    try:
        searching = searching_socket(ME, destination("::1", 1900, 0))
    except OSError:
        pytest.skip("this host has no IPv6")
    with searching, listening_socket(ME, 0, interface_index("lo", None)) as listening:
        assert searching.getsockname()[0] == "::1"
        assert listening.getsockname()[0].partition("%")[0] == "ff02::c"
