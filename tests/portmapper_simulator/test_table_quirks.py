"""Quirks of the table."""

from __future__ import annotations

import struct
from typing import Any

import pytest


def natpmp(external: int, lifetime: int = 600) -> bytes:
    """Write a NAT-PMP request to map TCP 8080."""
    return struct.pack("!BBHHHI", 0, 2, 0, 8080, external, lifetime)


@pytest.mark.parametrize(("quirk", "code"), [("M11-714", "714"), ("M11-402", "402"), ("M11-501", "501")])
async def test_m11_ends_a_listing_with_another_code(start: Any, soap: Any, quirk: str, code: str) -> None:
    """Other gateways answer 713."""
    gateway = await start(quirk)
    answer = await soap(gateway, "GetGenericPortMappingEntry", NewPortMappingIndex=0)
    assert answer.value("errorCode") == code


async def test_separate_tables_are_a_conflict_with_another_mechanism(
    start: Any, add: Any, soap: Any, client: Any
) -> None:
    """UPnP gets 729 for NAT-PMP's port and does not list it; the dummy rule is the only entry."""
    gateway = await start("tables-apart", "show-dummy-rule", relay=False)
    client.send(natpmp(8080), "127.0.0.1", gateway.pcp_port)
    await client.next()
    assert (await add(gateway, 8080)).value("errorCode") == "729"
    dummy = await soap(gateway, "GetGenericPortMappingEntry", NewPortMappingIndex=0)
    assert dummy.value("NewExternalPort") == "0"
    end = await soap(gateway, "GetGenericPortMappingEntry", NewPortMappingIndex=1)
    assert end.value("errorCode") == "713"
