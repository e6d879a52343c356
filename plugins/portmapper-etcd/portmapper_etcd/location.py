"""Locations: `http://[USER:PASSWORD@]HOST:PORT/KEY`."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import attrs

from portmapper.api import UsageError, quoted

LONGEST_KEY = 1000


@attrs.frozen
class Location:
    """A server and a key.

    Attributes:
        base: the URL of the server, without a password.
        key: the key, or the beginning of keys.
        user, password: empty without authentication.
    """

    base: str
    key: str
    user: str = ""
    password: str = attrs.field(default="", repr=False)


def parse_location(text: str) -> Location:
    """Parse the text after `etcd:`.

    Raises:
        UsageError: it is not an http or https URL with a host and a key.
    """
    try:
        parts = urlsplit(text)
        port = parts.port or 2379
    except ValueError:
        parts, port = urlsplit(""), 0
    key = unquote(parts.path[1:])
    if parts.scheme not in ("http", "https") or not parts.hostname or not key or len(key) > LONGEST_KEY:
        raise UsageError(
            f"etcd:{quoted(text)} is not a location: write etcd:http://HOST:PORT/NAME, such as "
            "etcd:http://127.0.0.1:2379/portmapper/leader"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Location(
        f"{parts.scheme}://{host}:{port}", key, unquote(parts.username or ""), unquote(parts.password or "")
    )


def end_of_prefix(prefix: bytes) -> bytes:
    """Return the first key after all keys with this prefix; a zero byte means the end of all keys."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else b"\0"
