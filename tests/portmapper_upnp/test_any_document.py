"""Parsers of documents accept any input: they return a value or raise one of our errors."""

from __future__ import annotations

import contextlib

from async_upnp_client.const import HttpResponse
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import BackendError
from portmapper_upnp.description import canonical_description
from portmapper_upnp.lenient_xml import parse
from portmapper_upnp.scpd import WAN_CONNECTION
from portmapper_upnp.soap_reply import read_reply

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


@given(documents)
def test_any_text_is_a_tree_or_a_typed_error(text):
    """Also with garbage around it."""
    with contextlib.suppress(BackendError):
        parse(text)


@given(documents)
def test_any_description_is_canonical_or_a_typed_error(text):
    """The normalized description parses again."""
    with contextlib.suppress(BackendError):
        parse(canonical_description(text, LOCATION, WAN_CONNECTION))


@given(documents, st.sampled_from([200, 204, 500, 404, 999]), st.sampled_from([(), ("NewValue",)]))
def test_any_reply_is_text_or_a_typed_error(text, status, results):
    """Only the arguments of the action are returned."""
    with contextlib.suppress(BackendError):
        assert set(read_reply("Do", results, HttpResponse(status, {}, text))) <= set(results)
