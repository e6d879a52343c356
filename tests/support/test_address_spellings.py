"""IPv4 addresses that are not written as four decimal numbers."""

from __future__ import annotations

import pytest

from portmapper.support.address_spellings import replace_spellings


def replaced(text: str) -> str:
    """Return the text with each address as `<address>` and each number as `<number>`."""
    return replace_spellings(text, lambda address: f"<{address}>", lambda _: "<number>")


@pytest.mark.parametrize(
    "spelling",
    ["0313.0.0161.07", "0313.0000.0161.0007", "0xcb.0.0x71.7", "0xCB007107", "0xcb.28935", "203.0.28935"],
)
def test_octal_hexadecimal_and_short_forms_are_addresses(spelling: str) -> None:
    """`inet_aton` reads all of them as the same address."""
    assert replaced(f"to {spelling}, port 80") == "to <203.0.113.7>, port 80"


@pytest.mark.parametrize("number", ["3405803783", "cb007107", "077100CB", "CB:00:71:07"])
def test_a_bare_number_may_be_an_address(number: str) -> None:
    """So it is replaced, and readers see that it was a number."""
    assert replaced(f"route {number}.") == "route <number>."


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.7",
        "28.11.2026",
        "20261128",
        "Windows 10.0.19045",
        "Windows-10-10.0.19045-SP0",
        "portmapper 0.2.0 and aiohttp 3.14.5",
        "took 12.345678 s, 3.14159ms and 0.05",
        "lifetime=4294967295 604800",
        "999.0.0161.07",
        "2026-11-28T10:00:00.123456+00:00",
        "deadbeef",
        "10:24:43",
    ],
)
def test_usual_addresses_versions_dates_and_times_stay(text: str) -> None:
    """An address in usual spelling is found by others."""
    assert replaced(text) == text
