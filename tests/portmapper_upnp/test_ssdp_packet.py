"""SSDP packets: any input gives a packet or None."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portmapper_upnp.ssdp_packet import read_packet

SENDER = ("192.168.1.1", 1900)


lines = st.one_of(
    st.text(max_size=40),
    st.builds("{}:{}".format, st.sampled_from(["LOCATION", "ST", "nts", " usn", "É"]), st.text(max_size=40)),
)


packets = st.builds(
    lambda start, rest, end: end.join([start, *rest, ""]).encode("utf-8", "surrogatepass"),
    st.sampled_from(["HTTP/1.1 200 OK", "NOTIFY * HTTP/1.1", "M-SEARCH * HTTP/1.1", ""]),
    st.lists(lines, max_size=12),
    st.sampled_from(["\r\n", "\n", "\r"]),
)


@given(st.one_of(st.binary(max_size=500), packets))
@example(b"HTTP/1.1 200 OK\r\nLOCATION: http://[::1\r\n\r\n")
def test_any_datagram_is_a_packet_or_nothing(data):
    """The location of a packet is on its sender."""
    packet = read_packet(data, SENDER)
    if packet is not None and packet.location is not None:
        assert packet.location.startswith(
            ("http://192.168.1.1/", "http://192.168.1.1:", "http://192.168.1.1")
        )


@given(st.binary(max_size=300), st.tuples(st.just("fe80::1"), st.just(1900), st.just(0), st.integers(0, 9)))
@example(b"LOCATION: `ttp://[fe80::1]:1/\r\n\r\n", ("fe80::1", 1900, 0, 7))
def test_any_ipv6_datagram_is_a_packet_or_nothing(data, sender):
    """With any zone."""
    read_packet(b"HTTP/1.1 200 OK\r\nLOCATION: http://[fe80::1]:80/\r\n" + data, sender)
    read_packet(b"HTTP/1.1 200 OK\r\n" + data, sender)


def test_d7_a_link_local_location_gets_the_zone_of_its_sender():
    """A device cannot know the name of our interface."""
    data = b"HTTP/1.1 200 OK\r\nLOCATION: http://[fe80::1]:5000/desc.xml\r\nST: upnp:rootdevice\r\n\r\n"
    packet = read_packet(data, ("fe80::1", 1900, 0, 3))
    assert packet is not None
    assert packet.location == "http://[fe80::1%3]:5000/desc.xml"


def test_an_announcement_is_read_with_its_boot_id():
    """The unique name is the part of USN before the target, in lower case."""
    data = (
        b"NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive\r\nNT: upnp:rootdevice\r\nUSN: UUID:AB::upnp:rootdevice\r\n"
        b"LOCATION: http://192.168.1.1:5000/desc.xml\r\nBOOTID.UPNP.ORG: 7\r\n\r\n"
    )
    packet = read_packet(data, SENDER)
    assert packet is not None
    assert (packet.kind, packet.device, packet.boot_id) == ("alive", "uuid:ab", "7")
    assert (packet.target, packet.location) == ("upnp:rootdevice", "http://192.168.1.1:5000/desc.xml")


def test_other_messages_are_ignored():
    """Searches of other hosts and updates arrive on the same port."""
    assert read_packet(b"M-SEARCH * HTTP/1.1\r\nST: ssdp:all\r\n\r\n", SENDER) is None
    assert read_packet(b"NOTIFY * HTTP/1.1\r\nNTS: ssdp:update\r\n\r\n", SENDER) is None
    assert read_packet(b"HTTP/1.1 404 Not Found\r\n\r\n", SENDER) is None


@pytest.mark.parametrize(
    "headers",
    [
        b"LOCATION: http://192.168.1.9/other.xml\r\nLOCATION: http://192.168.1.1:5000/desc.xml",
        b"LOCATION:\r\nLOCATION: http://192.168.1.1:5000/desc.xml",
        b"LOCATION:\r\n http://192.168.1.1:5000/desc.xml",
        b"LOCATION:\r\n\thttp://192.168.1.1:5000/desc.xml\r\nEXT:",
        b"AL: <http://192.168.1.1:5000/desc.xml>",
        b"SERVER: " + b"x" * 3000 + b"\r\nLOCATION: http://192.168.1.1:5000/desc.xml",
    ],
    ids=["another first", "empty first", "next line", "tab", "AL", "long"],
)
def test_an_odd_location_is_found(headers: bytes) -> None:
    """The first that may be fetched counts."""
    packet = read_packet(b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\n" + headers + b"\r\n\r\n", SENDER)
    assert packet is not None
    assert packet.location == "http://192.168.1.1:5000/desc.xml"


def test_the_first_of_repeated_headers_counts():
    """Some devices send headers twice, even those that HTTP allows only once."""
    headers = b"ST: a\r\nST: b\r\nServer: Linux UPnP/1.1 ACME/2\r\nContent-Length: 0\r\nContent-Length: 0"
    packet = read_packet(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n\r\n", SENDER)
    assert packet is not None
    assert (packet.target, packet.server) == ("a", "Linux UPnP/1.1 ACME/2")


def test_reading_packets_loads_no_library():
    """A daemon over PCP hears the announcements of UPnP all day."""
    code = "import sys; from portmapper_upnp.announcements import Announcements; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "portmapper_upnp.ssdp_packet" in loaded
    assert "aiohttp" not in loaded
    assert "async_upnp_client" not in loaded
