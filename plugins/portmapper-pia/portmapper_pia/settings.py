"""The table `[plugin.pia]`."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from pathlib import Path

import attrs

from portmapper.api import READ, NotAuthorized, SettingError, Unsupported, quoted
from portmapper.support.safe_open import read_limited

PORT = 19999
MAX_TOKEN = 4096
MAX_AUTHORITY = 64 * 1024

_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}")
_TOKEN = re.compile(r"[\x21-\x7e]+")

Place = tuple[IPv4Address, int]
"""Address and port of the gateway."""


def _server(value: object) -> str:
    """Read a host name. An address would not do: the certificate has no addresses."""
    if value == "":
        return ""
    text = value if isinstance(value, str) else ""
    if len(text) > 253 or not _NAME.fullmatch(text) or text.rpartition(".")[2].isdecimal():
        raise ValueError(f"{quoted(value)} is not the name of a server, such as zurich407")
    return text.lower()


def _gateway(value: object) -> Place | None:
    if value == "":
        return None
    host, colon, port = (value if isinstance(value, str) else "").partition(":")
    try:
        address = IPv4Address(host)
        number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else 0
    except ValueError:
        number, address = 0, IPv4Address(0)
    if address.is_unspecified or address.is_multicast or (colon and not 1 <= number <= 65535):
        raise ValueError(f"{quoted(value)} is not an IPv4 address, such as 10.4.128.1")
    return address, number or PORT


@attrs.frozen
class PiaTable:
    """The keys of `[plugin.pia]`.

    Attributes:
        server: name of the VPN server, as in its certificate; without it, the backend does nothing.
        gateway: address of the gateway in the VPN; without it, the gateway of the route.
        token_file: absolute path of a file with the account's token.
        ca: absolute path of a file with the provider's certificate authority.
    """

    server: str = attrs.field(default="", metadata={READ: _server})
    gateway: Place | None = attrs.field(default=None, metadata={READ: _gateway})
    token_file: Path | None = None
    ca: Path | None = None

    def __attrs_post_init__(self) -> None:
        if self.server and self.token_file is None:
            raise SettingError(("token_file",), "is missing: write the path of a file with the token")
        if self.server and self.ca is None:
            raise SettingError(("ca",), "is missing: write the path of the provider's ca.rsa.4096.crt")


def read_token(path: Path) -> str:
    """Return the token in the file. The VPN's own scripts may write a new one every day.

    Raises:
        NotAuthorized: the file has no token.
    """
    try:
        token = read_limited(path, MAX_TOKEN + 1).decode("ascii").strip()
    except OSError as error:
        raise NotAuthorized(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        token = ""
    if len(token) > MAX_TOKEN or not _TOKEN.fullmatch(token):
        raise NotAuthorized(f"{path} does not contain a token: write it on one line")
    return token


def read_authority(path: Path) -> str:
    """Return the certificates in the file.

    Raises:
        Unsupported: the file cannot be read.
    """
    try:
        return read_limited(path, MAX_AUTHORITY).decode("ascii", "ignore")
    except OSError as error:
        raise Unsupported(f"[plugin.pia] ca: {path} cannot be read: {error.strerror}") from None
