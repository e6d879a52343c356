"""Decodes a document: UTF-8, and UTF-16 or UTF-32 as Excel and PowerShell write them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from portmapper.api import SourceError
from portmapper.support.encodings import UNDECODED, decoded
from portmapper_files.other_content import refuse_other_files


def decode(content: bytes, name: str) -> str:
    """Decode a document; a byte that is not UTF-8 becomes a lone surrogate, which invalidates only its field.

    Raises:
        SourceError: the content is not text; the message contains the format's name.
    """
    refuse_other_files(content)
    try:
        text = decoded(content)
    except ValueError as error:
        raise SourceError(f"not {name}: {error}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SourceError(f"not {name}: binary data, with a NUL byte in line {line}")
    return text


@contextlib.contextmanager
def blaming_encoding(text: str) -> Iterator[None]:
    """Report a byte that is not UTF-8 as the cause if the text cannot be parsed.

    Raises:
        SourceError: the block raised one.
    """
    try:
        yield
    except SourceError:
        wrong = UNDECODED.search(text)
        if wrong is None:
            raise
        line = text.count("\n", 0, wrong.start()) + 1
        raise SourceError(f"not UTF-8 text (line {line}): save the file as UTF-8") from None
