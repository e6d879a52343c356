"""Decodes a document: UTF-8, and UTF-16 or UTF-32 as Excel and PowerShell write them."""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterator

from portmapper.api import SourceError

UTF_8 = "utf-8-sig"

_SAMPLE = 4096
_UNDECODED = re.compile("[\udc80-\udcff]")
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


def decode(content: bytes, name: str) -> str:
    """Decode a document; a byte that is not UTF-8 becomes a lone surrogate, which invalidates only its field.

    Raises:
        SourceError: the content is not text; the message contains the format's name.
    """
    encoding = encoding_of(content)
    try:
        text = content.decode(encoding, "surrogateescape" if encoding == UTF_8 else "strict")
    except UnicodeDecodeError:
        raise SourceError(f"not {name}: damaged {encoding[:6].upper()} text") from None
    if "\0" in text:
        raise SourceError(f"not {name}: binary data")
    return text.removeprefix("\ufeff")


@contextlib.contextmanager
def blaming_encoding(text: str) -> Iterator[None]:
    """Report a byte that is not UTF-8 as the cause if the text cannot be parsed.

    Raises:
        SourceError: the block raised one.
    """
    try:
        yield
    except SourceError:
        wrong = _UNDECODED.search(text)
        if wrong is None:
            raise
        line = text.count("\n", 0, wrong.start()) + 1
        raise SourceError(f"not UTF-8 text (line {line}): save the file as UTF-8") from None
