"""The tokens that allow requests: a file in the state directory with their hashes and rights."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from portmapper.api.errors import UsageError, quoted
from portmapper.http.private_file import PrivateFile
from portmapper.support.wall_clock import wall_now

FILE_NAME = "http-tokens.json"
PREFIX = "pm_"
"""Begins each token, so that a scanner for secrets recognizes it."""

MAX_TOKENS = 100
MAX_NAME = 64
MAX_LENGTH = 200
"""Characters of a token that a request may send."""


@attrs.frozen
class Token:
    """What is known of a token; the token itself is not stored.

    Attributes:
        name: chosen by the user.
        hash: SHA-256 of the token. A token has 256 random bits, so a slow hash would add nothing.
        read_only: it allows no change.
        created_at: in RFC 3339.
    """

    name: str
    hash: str
    read_only: bool
    created_at: str


class Tokens:
    """The tokens of one state directory. The command line writes the file, and the daemon reads it."""

    def __init__(self, directory: Path) -> None:
        self._file = PrivateFile(directory / FILE_NAME)

    @property
    def known(self) -> Sequence[Token]:
        """The tokens, the oldest first.

        Raises:
            PortmapperError: the file cannot be read.
        """
        return [token for token in map(_token, self._file.read()) if token is not None]

    def create(self, name: str, *, read_only: bool) -> str:
        """Create a token and return it; it cannot be shown again.

        Raises:
            UsageError: the name is invalid or taken, or there are too many tokens.
            PortmapperError: the file cannot be written.
        """
        known = list(self.known)
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise UsageError(f"{quoted(name)} is not a name of 1 to {MAX_NAME} printable characters")
        if any(token.name == name for token in known):
            raise UsageError(f"a token named {quoted(name)} exists; choose another --name, or revoke it")
        if len(known) >= MAX_TOKENS:
            raise UsageError(f"there are {MAX_TOKENS} tokens; revoke one first")
        secret = PREFIX + secrets.token_urlsafe(32)
        created_at = wall_now().replace(microsecond=0).isoformat()
        self._write([*known, Token(name, hash_of(secret), read_only, created_at)])
        return secret

    def revoke(self, name: str) -> None:
        """Remove a token, which ends its sessions too.

        Raises:
            UsageError: there is no such token.
            PortmapperError: the file cannot be written.
        """
        known = list(self.known)
        kept = [token for token in known if token.name != name]
        if len(kept) == len(known):
            names = ", ".join(token.name for token in known) or "none"
            raise UsageError(f"there is no token named {quoted(name)}; known: {names}")
        self._write(kept)

    def find(self, secret: str) -> Token | None:
        """Return the token that a request sent; None if it is not valid."""
        if len(secret) > MAX_LENGTH:
            return None
        return self.with_hash(hash_of(secret))

    def with_hash(self, wanted: str) -> Token | None:
        """Return the token with a hash; compare each in constant time."""
        found = [token for token in self.known if hmac.compare_digest(token.hash, wanted)]
        return found[0] if found else None

    def free_name(self) -> str:
        """Return a name that no token has: `token-1`."""
        taken = {token.name for token in self.known}
        return next(name for number in range(1, MAX_TOKENS + 2) if (name := f"token-{number}") not in taken)

    def _write(self, tokens: Sequence[Token]) -> None:
        self._file.write([attrs.asdict(token) for token in tokens])


def hash_of(secret: str) -> str:
    """Return the hash under which a secret is stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _token(entry: Any) -> Token | None:
    """Return a token from its entry in the file; None if the entry is damaged."""
    try:
        token = Token(entry["name"], entry["hash"], entry["read_only"], entry["created_at"])
    except (KeyError, TypeError):
        return None
    texts = (token.name, token.hash, token.created_at)
    is_valid = all(isinstance(text, str) for text in texts) and isinstance(token.read_only, bool)
    return token if is_valid and token.hash.isascii() else None
