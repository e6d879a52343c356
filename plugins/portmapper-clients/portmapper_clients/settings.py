"""Keys that the tables of all clients share."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from portmapper.api import SettingError, quoted
from portmapper_clients.errors import ClientFailure

MAX_SECRET = 4096


def row_name(value: object) -> str:
    """Read the comment or the port of a row."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{quoted(value)} is not the comment or the port of a row")
    return str(value).strip()


def base_url(value: object) -> str:
    """Read the URL of a client; an empty one turns the plugin off."""
    if value == "":
        return ""
    text = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("must be http://HOST:PORT or https://HOST:PORT, without a user")
    if parts.query or parts.fragment:
        raise ValueError("must not have a query or a fragment")
    return text.rstrip("/")


def check_mapping(place: str, mapping: str) -> None:
    """Require a row as soon as the client's place is set.

    Raises:
        SettingError: `mapping` is missing.
    """
    if place and not mapping:
        raise SettingError(("mapping",), "is missing: write the comment or the port of the row to use")


def read_secret(secret: str, path: Path | None) -> str:
    """Return the secret, or the contents of its file without the final newline.

    Raises:
        ClientFailure: the file cannot be read.
    """
    if path is None:
        return secret
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET)
        return content.decode().rstrip("\r\n")
    except OSError as error:
        raise ClientFailure(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ClientFailure(f"{path}: is not UTF-8") from None
