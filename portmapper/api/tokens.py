"""The interface of token sources: where the nonce of a mapping comes from."""

from __future__ import annotations

import abc
from typing import ClassVar

from portmapper.api.errors import UsageError
from portmapper.api.model import IPAddress, Protocol

TOKEN_LENGTH = 12
"""Bytes of a token: the nonce of PCP (RFC 6887, section 11.1)."""

SHORTEST_SECRET = 16
"""Bytes that a cluster secret must have: a host that guesses it can close the ports."""


class TokenSource(abc.ABC):
    """A plugin that chooses the tokens of mappings.

    A PCP server renews and closes a mapping only for the token that opened it. If every daemon of a cluster
    chooses the same token for a mapping, the next leader can take the mapping over.

    Attributes:
        name: short, lower case.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def token(
        self, gateway: str, protocol: Protocol, internal_address: IPAddress, internal_port: int
    ) -> bytes | None:
        """Return 12 bytes that no other host can guess, or None to leave the choice to the next source.

        The same arguments must always give the same bytes, on every daemon and after a restart. `gateway` is
        the gateway's identity, such as `pcp:192.168.1.1`. Without a source, tokens are random.
        """


class DerivedTokens(TokenSource):
    """Tokens that are derived from a secret, so that daemons with the same secret need no shared store."""

    name = "derived"

    def __init__(self, secret: bytes) -> None:
        """Use a secret of at least 16 bytes.

        Raises:
            UsageError: the secret is too short.
        """
        if len(secret) < SHORTEST_SECRET:
            raise UsageError(
                f"the cluster secret has {len(secret)} bytes, which is too short: use at least "
                f"{SHORTEST_SECRET}, such as the output of 'openssl rand -hex 32'"
            )
        self._secret = secret

    def token(
        self, gateway: str, protocol: Protocol, internal_address: IPAddress, internal_port: int
    ) -> bytes | None:
        """Return the first 12 bytes of an HMAC-SHA256 over the arguments."""
        import hmac  # few runs need it

        message = f"{gateway}|{protocol.value}|{internal_address}|{internal_port}"
        return hmac.digest(self._secret, message.encode(), "sha256")[:TOKEN_LENGTH]
