"""Makes text from a gateway, a source or a URL harmless before a terminal, a log or a page shows it."""

from __future__ import annotations

import unicodedata

LONGEST = 500


def printable(text: str, longest: int = LONGEST) -> str:
    """Return `text` on one line, without control, format or unassigned characters, and not too long.

    Escape sequences would let a router's name write anywhere on the terminal; format characters
    would turn the direction of what stands beside it.
    """
    if not text.isprintable():
        text = "".join(_shown(character) for character in text[: longest + 1])
    return text if len(text) <= longest else text[:longest] + "…"


def endpoint(address: object, port: object, unknown: str = "*") -> str:
    """Write an address and a port as people do, an IPv6 address in brackets; `unknown` stands for none."""
    host = str(address) if address else unknown
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def storable(text: str) -> str:
    """Return it as UTF-8 can write it: JSON may spell half a surrogate pair, and SQLite refuses that."""
    return text.encode("utf-8", "replace").decode()


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs" or character in "\t\n\r":
        return " "
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"


def sentence(text: str) -> str:
    """Return the text with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
