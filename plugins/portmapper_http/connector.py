"""A connector that uses only addresses that were checked before."""

from __future__ import annotations

import ipaddress
import socket
import ssl

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult


def pinned_connector(addresses: list[str], tls: ssl.SSLContext | bool = True) -> aiohttp.TCPConnector:
    """Return a connector that resolves every name to these addresses, to prevent DNS rebinding."""
    resolver = _PinnedResolver(addresses)
    return aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True, ssl=tls)


class _PinnedResolver(AbstractResolver):
    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        return
