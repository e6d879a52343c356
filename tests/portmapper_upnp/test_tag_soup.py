"""Descriptions that are no XML."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import NetworkFailure, Unsupported
from portmapper_upnp.tag_soup import MAX_DEPTH, read_tags


def texts(document):
    """Return the texts of the document, by tag."""
    return {element.tag: element.text for element in document.iter() if element.text}


@pytest.mark.parametrize(
    "document",
    [
        "<d><t>one</t><u>two</u></d>",
        "<?xml version='1.0'?><?xml version='1.0'?><html><d a=b><x:t>one</x:t><u>two</u></d>",
        "<d><n><b>bold</n></i><t>one</t><u>two</u>",
        "text & <d><e/><t a='1'>one</t><u>two</u></d></d>",
    ],
)
def test_h14_texts_are_read_as_far_as_tags_match(document):
    """Open elements, unquoted attributes, several roots."""
    assert texts(read_tags(document)).items() >= {"t": "one", "u": "two"}.items()


def test_h14_an_incomplete_text_is_dropped():
    """The end of a document that is cut may be half a URL."""
    assert texts(read_tags("<d><t>one</t><u>tw")) == {"t": "one"}


def test_h14_a_document_type_is_refused():
    """As in XML."""
    with pytest.raises(Unsupported, match="document type"):
        read_tags("<!doctype d [<!ENTITY a 'b'>]><d>&a;</d>")


def test_h14_the_depth_is_limited():
    """A document that is nested too deeply is refused, as one of valid XML is."""
    read_tags("<a>" * (MAX_DEPTH - 1))
    with pytest.raises(NetworkFailure, match="nested too deeply"):
        read_tags("<a>" * MAX_DEPTH)


@given(st.text(alphabet="<>/ab=&; '\"", max_size=200))
def test_h14_any_text_is_read(text):
    """Without an error, unless it is nested too deeply."""
    with contextlib.suppress(NetworkFailure):
        read_tags(text)
