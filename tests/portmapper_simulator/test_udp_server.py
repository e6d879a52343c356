"""The UDP port that PCP and NAT-PMP share."""

from __future__ import annotations

from typing import Any


async def test_without_pcp_version_2_is_refused_in_natpmp(start: Any, client: Any) -> None:
    """The answer has version 0, result 1 and eight bytes (quirk P2)."""
    gateway = await start(protocols=frozenset({"natpmp"}))
    client.send(b"\x02\x01" + bytes(58), "127.0.0.1", gateway.pcp_port)
    answer = await client.next()
    assert len(answer) == 8
    assert answer[:4] == b"\x00\x80\x00\x01"


async def test_without_natpmp_version_0_is_refused_in_pcp(start: Any, client: Any) -> None:
    """RFC 6887, section 9: the answer is UNSUPP_VERSION in version 2."""
    gateway = await start(protocols=frozenset({"pcp"}))
    client.send(b"\x00\x00", "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[:4] == b"\x02\x80\x00\x01"
