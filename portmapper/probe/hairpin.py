"""Tries a port over the gateway's external address from inside (hairpin NAT)."""

from __future__ import annotations

import asyncio
import socket

from portmapper.api.model import IPAddress

LIMIT = 2.0
"""Seconds for the whole attempt."""


async def answers_from_inside(
    address: IPAddress | None, port: int, nonce: bytes, local: IPAddress | None
) -> bool:
    """Return whether our temporary listener answers at the external address."""
    family = socket.AF_INET6 if address is not None and address.version == 6 else socket.AF_INET
    loop = asyncio.get_running_loop()
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.setblocking(False)
            if local is not None:
                connection.bind((str(local), 0))
            async with asyncio.timeout(LIMIT):
                await loop.sock_connect(connection, (str(address), port))
                return await loop.sock_recv(connection, len(nonce)) == nonce
    except OSError:
        return False
