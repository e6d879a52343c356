"""Every parser takes every input, and answers with a value or one of our errors."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from types import SimpleNamespace

from async_upnp_client.const import HttpResponse
from hypothesis import example, given
from hypothesis import strategies as st

from portmapper.api.errors import BackendError
from portmapper_upnp.connection import read_entry
from portmapper_upnp.description import canonical_description
from portmapper_upnp.lenient_http import read_answer
from portmapper_upnp.lenient_xml import parse
from portmapper_upnp.location_check import acceptable_location, at_same_host
from portmapper_upnp.requester import decode
from portmapper_upnp.scpd import WAN_CONNECTION
from portmapper_upnp.soap_call import read_address, read_number
from portmapper_upnp.soap_reply import canonical_reply
from portmapper_upnp.ssdp_packet import read_packet

SENDER = ("192.168.1.1", 1900)
LOCATION = "http://192.168.1.1:5000/desc.xml"

tags = st.sampled_from(
    ["root", "device", "service", "serviceType", "controlURL", "URLBase", "a:Fault", "errorCode", "Envelope"]
)
values = st.sampled_from(
    ["", "718", "urn:schemas-upnp-org:service:WANIPConnection:1", "http://[", "/x", "&bad;", "\x00", "]]>"]
)
trees = st.recursive(
    values,
    lambda inner: st.builds("<{0}>{1}</{0}>".format, tags, st.lists(inner).map("".join)),
    max_leaves=20,
)
documents = st.one_of(st.text(), trees)
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
    """A packet's location lies on its sender."""
    packet = read_packet(data, SENDER)
    if packet is not None and packet.location is not None:
        assert packet.location.startswith(
            ("http://192.168.1.1/", "http://192.168.1.1:", "http://192.168.1.1")
        )


@given(st.binary(max_size=300), st.tuples(st.just("fe80::1"), st.just(1900), st.just(0), st.integers(0, 9)))
@example(b"LOCATION: `ttp://[fe80::1]:1/\r\n\r\n", ("fe80::1", 1900, 0, 7))
def test_any_ipv6_datagram_is_a_packet_or_nothing(data, sender):
    """The zone does not matter for that."""
    read_packet(b"HTTP/1.1 200 OK\r\nLOCATION: http://[fe80::1]:80/\r\n" + data, sender)
    read_packet(b"HTTP/1.1 200 OK\r\n" + data, sender)


@given(documents)
def test_any_text_is_a_tree_or_a_typed_error(text):
    """Also with rubbish around it."""
    with contextlib.suppress(BackendError):
        parse(text)


@given(documents)
def test_any_description_is_canonical_or_a_typed_error(text):
    """What is canonical parses again."""
    with contextlib.suppress(BackendError):
        parse(canonical_description(text, LOCATION, WAN_CONNECTION))


@given(documents, st.sampled_from([200, 204, 500, 404, 999]), st.sampled_from([(), ("NewValue",)]))
def test_any_reply_is_canonical_or_a_typed_error(text, status, results):
    """What is canonical parses again."""
    service = SimpleNamespace(service_type="urn:x")
    action = SimpleNamespace(name="Do", service=service, out_arguments=lambda: results)
    with contextlib.suppress(BackendError):
        parse(canonical_reply(action, HttpResponse(status, {}, text)).body or "")


@given(st.binary(max_size=200), st.one_of(st.none(), st.text(max_size=20)))
@example(b'<?xml version="1.0" encoding="zlib"?>', "idna")
@example(b"x" * 100, "punycode")
def test_any_bytes_are_text(body, charset):
    """Whatever the charset is said to be."""
    decode(body, charset)


@given(st.text(), st.text())
def test_any_url_is_refused_or_on_the_host(url, location):
    """Neither check fails on any text."""
    found = acceptable_location(url, ipaddress.ip_address("192.168.1.1"))
    assert found is None or "192.168.1.1" in found
    at_same_host(url, location)
    at_same_host(url, LOCATION)


@given(st.dictionaries(st.sampled_from(["NewExternalPort", "NewProtocol", "NewInternalClient"]), st.text()))
def test_any_entry_is_one_or_none(answer):
    """Numbers and addresses of any spelling."""
    read_entry(answer)
    for text in answer.values():
        assert 0 <= read_number(text, 65535) <= 65535
        read_address(text)


def test_d7_a_link_local_location_gets_the_zone_of_its_sender():
    """A device cannot know how our interface is called."""
    data = b"HTTP/1.1 200 OK\r\nLOCATION: http://[fe80::1]:5000/desc.xml\r\nST: upnp:rootdevice\r\n\r\n"
    packet = read_packet(data, ("fe80::1", 1900, 0, 3))
    assert packet is not None
    assert packet.location == "http://[fe80::1%3]:5000/desc.xml"


heads = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 100 Continue\r\n",
            b"Content-Length: 3\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Type: text/xml; charset=utf-8\n",
            b"\r\n",
            b"3\r\nabc\r\n",
            b"fffffff\r\n",
            b"0\r\n\r\n",
        ]
    )
).map(b"".join)


@given(st.builds(lambda start, rest: start + rest, heads, st.binary(max_size=300)))
def test_any_stream_is_an_answer_or_a_failure(data):
    """The body is never longer than its bound, nor than what came."""

    async def read():
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await read_answer(reader, 200)

    with contextlib.suppress(BackendError):
        answer = asyncio.run(read())
        assert len(answer.body) <= min(200, len(data))
