"""URL, token and certificate of a probe server, as users name them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from portmapper.api.errors import UsageError, quoted
from portmapper.support.encodings import as_utf8
from portmapper.support.safe_open import read_limited

if TYPE_CHECKING:
    import ssl

MAX_TOKEN = 4096
"""Bytes of a token file."""

MAX_AUTHORITY = 64 * 1024
"""Bytes of a file with certificates."""


def parse_url(text: object) -> str:
    """Check the URL of a probe server, and return it without a slash at its end.

    Raises:
        ValueError: it is not one; the message contains it.
    """
    try:
        parts = urlsplit(text) if isinstance(text, str) and text.isprintable() else urlsplit("")
        is_valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise ValueError(f"{quoted(text)} is not the URL of a probe server, such as http://198.51.100.7:9700")
    if parts.username is not None or " " in str(text):
        raise ValueError(f"{quoted(text)} has a user; a probe server has a token: use a token file")
    return str(text).rstrip("/")


def read_token(path: Path | None) -> str:
    """Return the token in a file; empty without a file.

    Raises:
        UsageError: the file cannot be read, or has no token.
    """
    if path is None:
        return ""
    try:
        token = as_utf8(read_limited(path, MAX_TOKEN + 1)).decode("ascii").strip()
    except OSError as error:
        raise UsageError(f"cannot read the token file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        token = ""
    if not token or len(token) > MAX_TOKEN or not token.isprintable() or " " in token:
        raise UsageError(f"the token file {path} must have one line of printable ASCII without spaces")
    return token


def read_authority(path: Path | None) -> str:
    """Return the certificates in a file, in PEM; empty without a file.

    Raises:
        UsageError: the file cannot be read, or has no certificate.
    """
    if path is None:
        return ""
    try:
        text = read_limited(path, MAX_AUTHORITY).decode("ascii", "ignore")
    except OSError as error:
        raise UsageError(f"cannot read the CA file {path}: {error.strerror}") from None
    if not trusting(text).cert_store_stats()["x509"]:
        raise UsageError(f"the CA file {path} contains no certificate in PEM")
    return text


def trusting(authority: str) -> ssl.SSLContext:
    """Return a context that trusts only these certificates."""
    import ssl  # loads OpenSSL

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with contextlib.suppress(ssl.SSLError, ValueError):
        context.load_verify_locations(cadata=authority)
    return context
