"""Safe text: escapes untrusted text before a terminal, a log or a page shows it."""

from __future__ import annotations

import functools
import unicodedata

LONGEST = 500

CURLY_QUOTES = ("\u201c", "\u201d", "\u201e", "\u2018", "\u2019", "\u00ab", "\u00bb")
"""Quotation marks that a word processor puts instead of straight ones."""


def printable(text: str, longest: int = LONGEST) -> str:
    """Return `text` as one line of limited length, with control and format characters escaped.

    An escape sequence in a router's name could write anywhere on the terminal, and a format character
    could reverse the direction of the text next to it.
    """
    if not text.isprintable():
        text = "".join(_escaped(character) for character in text[: longest + 1])
    return text if len(text) <= longest else text[:longest] + "…"


def endpoint(address: object, port: object, unknown: str = "*") -> str:
    """Format an address and a port, with an IPv6 address in brackets; `unknown` replaces no address."""
    host = str(address) if address else unknown
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@functools.lru_cache(256)
def address_text(address: object) -> str:
    """Format an IP address, which takes a microsecond. The same few are formatted again and again."""
    return str(address)


def storable(text: str) -> str:
    """Replace lone surrogates: JSON can contain them, but SQLite rejects them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs" or character in "\t\n\r":
        return " "
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"


def sentence(text: str) -> str:
    """Return the text with an initial capital and a period."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 mapping`, `2 mappings`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
