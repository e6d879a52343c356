"""Settings for the router: the table `[plugin.routeros]`, and environment variables that override it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import attrs

from portmapper.api import NotAuthorized, Unsupported
from portmapper.support.overrides import Overrides
from portmapper.support.safe_open import opener_of_regular

PREFIX = "PORTMAPPER_ROUTEROS_"
_MAX_CREDENTIALS = 4096
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Stricter than RouterOS, because the name is used in URLs and compared with rules.
_INTERFACE = re.compile(r"[\w.@<> -]{1,64}")


@attrs.frozen
class RouterOsTable:
    """The keys of `[plugin.routeros]`; an empty text means that a key is not set.

    Attributes:
        url: `https://HOST[:PORT]`.
        credentials: a file with `user:password`, readable only by its owner.
        user: user name, if there is no such file.
        password: password, if there is no such file.
        ca: a file with the certificate authority that signed the router's certificate.
        fingerprint: SHA-256 of a self-signed certificate, instead of `ca`.
        interface: name of the WAN interface.
    """

    url: str = attrs.field(default="", repr=False)
    credentials: str = ""
    user: str = ""
    password: str = attrs.field(default="", repr=False)
    ca: str = ""
    fingerprint: str = ""
    interface: str = ""


@attrs.frozen
class Settings:
    """Settings of the router connection.

    Attributes:
        host: host of the router's REST service.
        port: TCP port of the router's REST service.
        user: user name.
        password: password.
        authority: file with the certificate authority, empty for the system's authorities.
        fingerprint: SHA-256 of the router's certificate, empty to verify its signature instead.
        interface: name of the WAN interface, empty for the interface list `WAN`.
    """

    host: str
    port: int
    user: str
    password: str = attrs.field(repr=False)
    authority: str = ""
    fingerprint: bytes = b""
    interface: str = ""


def read_settings(environment: Mapping[str, str], table: RouterOsTable | None = None) -> Settings | None:
    """Read the settings, or return None if no router is set.

    Raises:
        Unsupported: a value is invalid.
        NotAuthorized: the credentials are missing, or readable by others.
    """
    values = Overrides(environment, PREFIX, "routeros", table or RouterOsTable())
    if not values.get("url"):
        return None
    host, port = _host_and_port(values)
    user, password = _credentials(values)
    interface = values.get("interface")
    if interface and not _INTERFACE.fullmatch(interface):
        raise Unsupported(f"{values.name('interface')} is not the name of an interface")
    return Settings(
        host=host,
        port=port,
        user=user,
        password=password,
        authority=values.get("ca"),
        fingerprint=_fingerprint(values),
        interface=interface,
    )


def _host_and_port(values: Overrides) -> tuple[str, int]:
    name = values.name("url")
    try:
        parts = urlsplit(values.get("url"))
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        raise Unsupported(f"{name} is not a URL") from None
    # Over http, the password would cross the network unencrypted.
    if parts.scheme != "https" or not host:
        raise Unsupported(f"{name} must be https://HOST")
    if parts.username is not None:
        raise Unsupported(f"{name} contains a user: put it into {PREFIX}CREDENTIALS")
    return host, port


def _credentials(values: Overrides) -> tuple[str, str]:
    if values.get("credentials"):
        return _read_credentials(values.get("credentials"), values.name("credentials"))
    user = values.get("user")
    if not user:
        raise NotAuthorized(f"neither {PREFIX}CREDENTIALS nor {PREFIX}USER is set")
    return user, values.get("password")


def _read_credentials(path: str, name: str) -> tuple[str, str]:
    """Read `user:password` from a file that only its owner can read."""
    try:
        with open(path, "rb", opener=opener_of_regular) as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                raise NotAuthorized(f"{name}: others can read {path}: run chmod 600 on it")
            text = file.read(_MAX_CREDENTIALS).decode()
    except OSError as error:
        raise NotAuthorized(f"{name}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NotAuthorized(f"{name}: {path} is not UTF-8 text") from None
    user, colon, password = text.partition("\n")[0].strip("\r").partition(":")
    if not colon or not user:
        raise NotAuthorized(f"{name}: the first line of {path} is not user:password")
    return user, password


def _fingerprint(values: Overrides) -> bytes:
    digits = values.get("fingerprint").lower().replace(":", "").replace(" ", "")
    if digits and not _SHA256.fullmatch(digits):
        raise Unsupported(f"{values.name('fingerprint')} is not a SHA-256 of 64 hexadecimal digits")
    return bytes.fromhex(digits)
