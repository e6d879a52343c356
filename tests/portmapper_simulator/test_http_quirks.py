"""Quirks of HTTP."""

from __future__ import annotations

import asyncio
from typing import Any


async def test_h1_changes_framing_and_content_type(start: Any) -> None:
    """The answer is chunked and has bare line feeds and a wrong content type."""
    gateway = await start("H1")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.http_port)
    writer.write(b"GET /rootDesc.xml HTTP/1.0\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\n\n")
    writer.close()
    assert b"\r" not in head
    assert b"Transfer-Encoding: chunked" in head
    assert b"application/octet-stream" in head
    assert body.endswith(b"\r\n0\r\n\r\n")
