"""Invalid HTTP requests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / SPDY/3\r\n\r\n",
        b"POST /ctl/WANIPConn1 HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /ctl/WANIPConn1 HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_an_invalid_request_is_rejected(gateway: Any, request_bytes: bytes) -> None:
    """The status is 400, and the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.http_port)
    writer.write(request_bytes)
    try:
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    except ConnectionResetError:
        assert len(request_bytes) > 10_000  # unread data resets the connection
    writer.close()
