"""Calls of token sources: whatever a source raises or returns, the token is valid or left to the next one."""

from __future__ import annotations

from collections.abc import Sequence

from portmapper.api.errors import PortmapperError, quoted
from portmapper.api.model import IPAddress, Protocol
from portmapper.api.tokens import TOKEN_LENGTH, TokenSource
from portmapper.pluginhost.faults import record_fault


class GuardedTokens:
    """The sources of tokens, asked in order."""

    def __init__(self, sources: Sequence[TokenSource]) -> None:
        self._sources = sources

    def __call__(
        self, gateway: str, protocol: Protocol, internal_address: IPAddress, internal_port: int
    ) -> bytes | None:
        """Return the first valid token, or None."""
        for source in self._sources:
            plugin = f"token:{source.name}"
            try:
                token = source.token(gateway, protocol, internal_address, internal_port)
            except PortmapperError as error:
                record_fault(plugin, str(error))
                continue
            except Exception as error:
                record_fault(plugin, error)
                continue
            if isinstance(token, bytes) and len(token) == TOKEN_LENGTH:
                return token
            if token is not None:
                length = f"{len(token)} bytes" if isinstance(token, bytes) else quoted(type(token).__name__)
                record_fault(plugin, f"it returned {length}, not {TOKEN_LENGTH} bytes")
        return None
