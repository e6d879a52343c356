"""The text of an HTTP body: decompressed, and decoded with an encoding that fits."""

from __future__ import annotations

import codecs
import contextlib
import re
import zlib

_XML_ENCODING = re.compile(rb"""^[^<]{0,16}<\?xml[^>]{0,80}encoding=["']([A-Za-z0-9._-]{1,40})["']""")
_TEXT_ENCODING = re.compile(
    r"(?:us-ascii|(?:utf-?(?:8|16)|iso-?8859|windows|cp|gb|big5|shift|euc|koi8)[a-z0-9_-]{0,12})",
    re.IGNORECASE,
)
"""Encodings that are accepted. Python's codecs include compressors, escapes and the quadratic punycode."""

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_GZIP_OR_ZLIB = 47
"""Window bits with which zlib reads both formats."""


def decode(body: bytes, charset: str | None, longest: int) -> str:
    """Return the text of a body with at most `longest` bytes; never fail (H12).

    Some routers compress although it was not requested, or declare an encoding that they do not use.
    """
    body = _decompressed(body, longest)
    mark = next((name for mark, name in _MARKS.items() if body.startswith(mark)), None)
    for name in (mark, charset, _declared(body)):
        if name and _TEXT_ENCODING.fullmatch(name) and _fits(name, body):
            with contextlib.suppress(LookupError):
                return body.decode(name, "replace")
    return body.decode("utf-8", "replace")


def _declared(body: bytes) -> str | None:
    declared = _XML_ENCODING.match(body)
    return declared[1].decode("ascii") if declared else None


def _fits(name: str, body: bytes) -> bool:
    """Tell whether UTF-16 is possible: each ASCII character then has a zero byte."""
    return not name.lower().replace("-", "").startswith("utf16") or b"\0" in body[:64]


def _decompressed(body: bytes, longest: int) -> bytes:
    """Decompress a body in gzip or zlib format; return anything else as it is."""
    if not body.startswith((b"\x1f\x8b", b"\x78")):
        return body
    try:
        return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(body, longest)
    except zlib.error:
        return body
