"""Finds IPv4 addresses that are not written as four decimal numbers, in texts that are published.

`inet_aton` reads `203.0.28935`, `0313.0.0161.07`, `0xcb.0.0x71.7` and `3405803783` as 203.0.113.7, and
programs that use it show addresses in these forms. Kernels and packet dumps show `cb007107` or `077100cb`.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable

SMALLEST = 1 << 24
"""The number of 1.0.0.0. A smaller one is more often a size or a count."""

_PART = r"(?:0x[0-9a-f]{1,8}|\d{1,11})"
_DOTTED = re.compile(
    rf"(?<![\w.-])(?<!Windows )({_PART}(?:\.{_PART}){{1,3}})(?!\w|\.\w|\s?m?s\b)", re.IGNORECASE
)
_OCTAL = re.compile(r"0\d+")
_YEAR = re.compile(r"(?:19|20)\d\d")
_HEXADECIMAL = re.compile(r"\b0x[0-9a-f]{8}\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.-])\d{8,19}(?!\w|\.\d)")
_BARE_HEXADECIMAL = re.compile(
    r"(?<![\w.-])(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{8}(?![\w-])"
    r"|(?<![\w:])(?=[\d:]*[a-f])(?:[0-9a-f]{2}:){3}[0-9a-f]{2}(?![\w:])",
    re.IGNORECASE,
)
_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")

Shown = Callable[[ipaddress.IPv4Address], str]


def replace_spellings(text: str, shown: Shown, number: Callable[[str], str]) -> str:
    """Replace unusual spellings of IPv4 addresses.

    Args:
        text: the text; addresses in usual spelling stay.
        shown: returns the substitute of an address.
        number: returns the substitute of a number that may be an address, or something else.
    """
    text = _DOTTED.sub(lambda match: _dotted(match, shown), text)
    text = _HEXADECIMAL.sub(lambda match: shown(ipaddress.IPv4Address(int(match[0], 16))), text)
    text = _NUMBER.sub(lambda match: number(match[0]) if _may_identify(match[0]) else match[0], text)
    return _BARE_HEXADECIMAL.sub(lambda match: number(match[0].lower()), text)


def _dotted(match: re.Match[str], shown: Shown) -> str:
    parts = match[1].split(".")
    if not (_is_unusual(match[1], parts) or _is_short(parts)):
        return match[0]
    try:
        return shown(ipaddress.IPv4Address(socket.inet_aton(match[1])))
    except OSError:
        return match[0]


def _is_unusual(text: str, parts: list[str]) -> bool:
    """Return whether a part is octal or hexadecimal; `1.05` is a decimal fraction."""
    return "x" in text.lower() or (len(parts) > 2 and any(map(_OCTAL.fullmatch, parts)))


def _is_short(parts: list[str]) -> bool:
    """Return whether the last part stands for two or three; `28.11.2026` is a date."""
    first, last = int(parts[0]), int(parts[-1])
    if len(parts) == 2:
        return first > 0 and len(parts[1]) > 4
    return len(parts) == 3 and last > 0xFF and not (first <= 31 and _YEAR.fullmatch(parts[2]))


def _may_identify(number: str) -> bool:
    """Return whether a number may be an address, or a longer one that identifies a phone or device."""
    return len(number) > 10 or (SMALLEST <= int(number) < 0xFFFF_FFFF and not _DATE.fullmatch(number))
