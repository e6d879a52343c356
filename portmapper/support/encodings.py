"""Decodes text files of any system: UTF-8, UTF-16 and UTF-32 as Windows writes them, and Windows-1252."""

from __future__ import annotations

import codecs
import re

UTF_8 = "utf-8"

UNDECODED = re.compile("[\udc80-\udcff]")
"""Bytes that are not UTF-8, as `decoded` returns them."""

_SAMPLE = 4096
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def encoding_of(content: bytes) -> str:
    """Return the encoding of a document. Zero bytes without a byte order mark identify UTF-16."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return encoding
    sample = content[:_SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    # The names of fields and most values are ASCII. A single zero byte is damage.
    if 8 * max(even, odd) < len(sample) or 4 * min(even, odd) > max(even, odd) or even == odd:
        return UTF_8
    return "utf-16-le" if odd > even else "utf-16-be"


def decoded(content: bytes) -> str:
    """Decode a document; a byte that is not UTF-8 becomes a lone surrogate.

    Raises:
        ValueError: the document is damaged UTF-16 or UTF-32.
    """
    encoding = encoding_of(content)
    try:
        text = content.decode(encoding, "surrogateescape" if encoding == UTF_8 else "strict")
    except UnicodeDecodeError:
        raise ValueError(f"damaged {encoding[:6].upper()} text") from None
    return text.lstrip("\ufeff")  # the byte order mark


def as_utf8(content: bytes) -> bytes:
    """Return a secret that PowerShell or Notepad saved with a byte order mark as UTF-8 without one."""
    if content.startswith((codecs.BOM_UTF8, *_MARKS)):
        try:
            return decoded(content).encode("utf-8", "surrogateescape")
        except ValueError:
            return content
    return content


def in_windows_letters(text: str) -> str:
    """Replace bytes that are not UTF-8 by their letters in cp1252, which old editors on Windows write."""
    if text.isascii():
        return text
    return (
        UNDECODED.sub(lambda byte: bytes([ord(byte[0]) & 0xFF]).decode("cp1252", "replace"), text)
        .encode("utf-8", "replace")
        .decode()
    )
