"""Tells what to write instead of a value that is no lifetime."""

from __future__ import annotations

import re
from datetime import time

from portmapper.support.duration import EXAMPLES

_ENDLESS = ("forever", "never", "infinite", "infinity", "permanent", "unlimited", "∞", "-1")
_ISO_8601 = r"p(?:([0-9]+)d)?(?:t(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?)?\Z"
_CLOCK = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?\Z"
_DECIMAL = r"([0-9]{1,4}[.,][0-9]{1,2})\s*([mhd])[a-z]*\Z"
_SMALLER = {"m": (60, "s"), "h": (60, "m"), "d": (24, "h")}


def lifetime_hint(value: object) -> str:
    """Return what to write: the same lifetime in our units if it is clear, or else examples."""
    if isinstance(value, float) and value.is_integer() and value >= 0:
        return f"write {int(value)}"
    text = str(value).strip().lower() if isinstance(value, str | int | time) else ""
    if text in _ENDLESS:
        return "write 0 for as long as the gateway allows"
    return f"write {clear}" if (clear := _in_our_units(text)) else EXAMPLES


def _in_our_units(text: str) -> str:
    if iso := re.match(_ISO_8601, text):
        return _joined(iso.groups(), "dhms")
    if clock := re.match(_CLOCK, text):
        return _joined(clock.groups(), "hms")
    if decimal := re.match(_DECIMAL, text):
        count, unit = _SMALLER[decimal[2]]
        return f"{round(float(decimal[1].replace(',', '.')) * count)}{unit}"
    return ""


def _joined(numbers: tuple[str | None, ...], units: str) -> str:
    return "".join(
        f"{int(number)}{unit}" for number, unit in zip(numbers, units, strict=True) if number and int(number)
    )
