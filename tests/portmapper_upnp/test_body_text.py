"""Text of HTTP bodies."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portmapper_upnp.body_text import decode


def test_bytes_are_decoded_by_the_first_encoding_that_exists():
    """HTTP's charset, then that of the XML declaration, then UTF-8; never an error."""
    assert decode("é".encode("latin-1"), "iso-8859-1", 1000) == "é"
    assert decode('<?xml version="1.0" encoding="iso-8859-1"?>é'.encode("latin-1"), None, 1000).endswith("é")
    assert decode("\ufeffé".encode(), "nonsense", 1000) == "é"
    assert decode(b"\xff", None, 1000) == "\ufffd"


@given(st.binary(max_size=200), st.one_of(st.none(), st.text(max_size=20)))
@example(b'<?xml version="1.0" encoding="zlib"?>', "idna")
@example(b"x" * 100, "punycode")
def test_any_bytes_are_text(body, charset):
    """With any charset."""
    decode(body, charset, 1000)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_h12_a_compressed_body_is_read_up_to_its_limit(pack):
    """Some routers compress although it was not requested; the limit is that of the text."""
    assert decode(pack(b"<root/>"), None, 1000) == "<root/>"
    assert len(decode(pack(b"<" * 5_000_000), None, 1000)) == 1000


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (b"<root/>", "utf-16"),
        (b'<?xml version="1.0" encoding="utf-16"?><root/>', None),
        (b"\xef\xbb\xbf" + b"<root/>", "utf-16"),
        ("<root/>".encode("utf-16"), None),
        ("<root/>".encode("utf-16"), "utf-8"),
        ("<root/>".encode("utf-16-le"), "utf-16-le"),
    ],
)
def test_h12_a_declared_encoding_is_ignored_if_it_cannot_be(body, charset):
    """Zero bytes and a byte order mark show which one it is."""
    assert decode(body, charset, 1000).endswith("<root/>")
