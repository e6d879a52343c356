"""Invalid SOAP calls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest


async def test_an_empty_body_is_a_fault(gateway: Any, fetch: Any) -> None:
    """The server does not raise an exception."""
    assert (await fetch(gateway, "/ctl/WANIPConn1", "POST")).value("errorCode") == "402"


@pytest.mark.parametrize(
    "body",
    [
        b"<",
        b"<a/>",
        b"<a><Body/></a>",
        b"<a><Body><b/><c/></Body></a>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a><Body><d>&b;</d></Body></a>',
        b"<a>" * 5000,
        b"\xff\xfe\x00",
    ],
)
async def test_invalid_xml_or_soap_is_a_fault(gateway: Any, body: bytes) -> None:
    """The error code is 402."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.http_port)
    head = f"POST /ctl/WANIPConn1 HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert b"<errorCode>402</errorCode>" in await reader.read()
    writer.close()
