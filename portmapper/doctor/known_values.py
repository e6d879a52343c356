"""Collects the values of this host that a published report must not contain."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from portmapper.config.loader import KEYS
from portmapper.support.redaction import Redactor

SECRET_KEY = re.compile(r"passw|secret|token|key\Z|auth|cookie|credential|psk|user|header", re.IGNORECASE)
"""Names of settings and of environment variables whose values are secret."""

HOST_KEY = re.compile(r"host|server|broker|domain", re.IGNORECASE)
"""Names of settings whose values are hosts, which are masked too if they have no dot."""

MASK = "***"
LARGEST_HEADERS = 65_536
SHORTEST_COMMENT = 4


def redactor_for(
    settings: Mapping[str, Any], base: Path, comments: Iterable[str], words: Sequence[str]
) -> Redactor:
    """Return a redactor that knows this host, its user, and every secret of the settings.

    Args:
        settings: the content of the settings file.
        base: the directory of the settings file.
        comments: comments of mappings, which often name people and programs.
        words: the command line.
    """
    secrets = {*_secrets(settings, base), *_secrets_of_environment()}
    secrets.update(secret for word in words for secret in _secrets_of_url(word))
    names = [(name, "<this-host>") for name in _host_names()]
    names += [(name, "<user>") for name in _user_names()]
    names += [(host, "<host>") for host in _hosts(settings)]
    names += [(comment, "<comment>") for comment in comments if len(comment) >= SHORTEST_COMMENT]
    return Redactor(secrets, names, os.path.expanduser("~"))


def without_secrets(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without secret values; plugins' texts are all masked: their meaning is unknown."""
    return {key: _shown(key, value, plugin=key not in KEYS) for key, value in settings.items()}


def _shown(key: str, value: Any, *, plugin: bool) -> Any:
    if isinstance(value, Mapping):
        return {name: _shown(name, inner, plugin=plugin) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shown(key, inner, plugin=plugin) for inner in value]
    if key == "comment":
        return "<comment>"
    return MASK if SECRET_KEY.search(key) or (plugin and isinstance(value, str)) else value


def _secrets(value: Any, base: Path, key: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _secrets(inner, base, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets(inner, base, key)
    elif isinstance(value, str):
        if key == "headers_file":
            yield from _header_values(value, base)
        elif SECRET_KEY.search(key):
            yield value
        yield from _secrets_of_url(value)


def _hosts(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _hosts(inner, name)
    elif isinstance(value, str) and HOST_KEY.search(key):
        yield value


def _secrets_of_url(text: str) -> Iterator[str]:
    try:
        parts = urlsplit(text)
        found = (parts.username, parts.password)
    except ValueError:
        return
    for value in found:
        if value:
            yield from (value, unquote(value))


def _header_values(location: str, base: Path) -> Iterator[str]:
    """Yield the values of a file of HTTP headers; they are credentials more often than not."""
    kind, mark, name = location.partition(":")
    if kind == "env" and mark:
        text = os.environ.get(name, "")
    else:
        path = base / location
        try:
            text = path.read_text("utf-8", "replace")[:LARGEST_HEADERS] if path.is_file() else ""
        except OSError:
            return
    for line in text.splitlines():
        value = line.partition(":")[2].strip()
        yield value
        yield from value.split()[1:]


def _secrets_of_environment() -> Iterator[str]:
    for name, value in os.environ.items():
        if SECRET_KEY.search(name) and name.upper() not in ("USER", "USERNAME", "USERPROFILE"):
            yield value
        yield from _secrets_of_url(value)


def _host_names() -> Iterator[str]:
    name = socket.gethostname()
    yield name
    yield name.partition(".")[0]


def _user_names() -> Iterator[str]:
    with contextlib.suppress(OSError, KeyError):  # a user ID without an entry in the password database
        yield getpass.getuser()
    yield os.environ.get("SUDO_USER", "")
    yield Path(os.path.expanduser("~")).name
