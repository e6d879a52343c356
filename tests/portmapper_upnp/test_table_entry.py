"""Entries of a gateway's table, as gateways write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api import Protocol
from portmapper_upnp.soap_call import read_address, read_number
from portmapper_upnp.table_entry import read_entries


@given(st.dictionaries(st.sampled_from(["NewExternalPort", "NewProtocol", "NewInternalClient"]), st.text()))
def test_any_entry_is_parsed_or_none(answer):
    """Numbers and addresses in any spelling."""
    read_entries(answer)
    for text in answer.values():
        assert 0 <= read_number(text, 65535) <= 65535
        read_address(text)


def test_an_entry_is_read_with_its_older_names():
    """Some routers name description and lease time differently in a listing."""
    (entry,) = read_entries(
        {
            "NewExternalPort": "8080",
            "NewProtocol": " tcp ",
            "NewInternalClient": "192.168.1.2",
            "NewInternalPort": "80",
            "NewDescription": "web",
            "NewLeaseTime": "600",
        }
    )
    assert (entry.protocol, entry.external_port, entry.internal_port) == (Protocol.TCP, 8080, 80)
    assert (str(entry.internal_address), entry.comment, entry.lifetime) == ("192.168.1.2", "web", 600)


@pytest.mark.parametrize("written", ["TCP/UDP", "tcp_udp", "Both", "TCP and UDP", "UDP,TCP", "TCP&UDP"])
def test_m30_an_entry_for_both_protocols_is_two_entries(written):
    """However the gateway writes it."""
    entries = read_entries({"NewExternalPort": "8080", "NewProtocol": written})
    assert [entry.protocol for entry in entries] == [Protocol.TCP, Protocol.UDP]


@pytest.mark.parametrize("written", ["", "ICMP", "TCPX", "GRE"])
def test_an_entry_for_another_protocol_is_none(written):
    """It is no port."""
    assert not read_entries({"NewExternalPort": "8080", "NewProtocol": written})
