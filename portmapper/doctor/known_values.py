"""Collects the values of this host that a published report must not contain."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from portmapper.config.loader import KEYS
from portmapper.doctor.local_names import host_names, known_hosts, link_names, people, user_names
from portmapper.support.encodings import as_utf8
from portmapper.support.redaction import Redactor
from portmapper.support.safe_open import read_limited
from portmapper.support.secrets import MASK

SECRET_KEY = re.compile(r"passw|secret|token|key\Z|auth|cookie|credential|psk|user|header", re.IGNORECASE)
"""Names of settings and of environment variables whose values are secret."""

HOST_KEY = re.compile(r"host|server|broker|domain|gateway", re.IGNORECASE)
"""Names of settings and options whose values are hosts, which are masked too if they have no dot."""

COMMENT_KEYS = ("comment", "title")

ORDINARY_WORDS = (
    *("all", "any", "auto", "both", "csv", "debug", "error", "false", "get"),
    *("http", "https", "info", "json", "log", "none", "off", "open", "opened"),
    *("closed", "ok", "on", "pcp", "port", "ports", "post", "put", "status"),
    *("tcp", "text", "toml", "true", "udp", "upnp", "warning", "xml", "yaml"),
)
"""Values of plugins that identify no one. Replacing them would damage the rest of the report."""

_HOME_OWNER = re.compile(r"[/\\](?:home|Users)[/\\]+([^/\\]+)", re.IGNORECASE)
LARGEST_PORT = 65_535
LARGEST_NUMBER = 365 * 86_400

LARGEST_SECRET = 65_536
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
    secrets = {*_secrets(settings, base), *_secrets_of_environment(), *_large_numbers(settings)}
    secrets.update(secret for word in words for secret in _secrets_of_url(word))
    secrets.update([*map(quote, secrets), *(json.dumps(secret)[1:-1] for secret in secrets)])
    names = [(name, "<this-host>") for name in host_names()]
    names += [(name, "<user>") for name in (*user_names(), *people())]
    names += [(name, "<interface>") for link in link_names() for name in _unusual(link)]
    names += [(secret, MASK) for secret in secrets if re.search(r"[^\W\d_]", secret)]
    names += [(value, MASK) for value in plugin_values(settings)]
    names += [(name, "<user>") for name in _home_owners(settings)]
    names += [(host, "<host>") for host in (*_hosts(settings), *_hosts_of_words(words), *known_hosts())]
    names += [(comment, "<comment>") for comment in comments if len(comment) >= SHORTEST_COMMENT]
    return Redactor(secrets, names, os.path.expanduser("~"))


def without_secrets(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without secret values; plugins' texts are all masked: their meaning is unknown."""
    return {
        key: _with_numbered_tables(value) if key == "preset" else _shown(key, value, plugin=key not in KEYS)
        for key, value in settings.items()
    }


def plugin_values(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield each text in the tables of plugins, and the names that users gave to tables and keys in them."""
    for key, value in settings.items():
        if key == "plugin" and isinstance(value, Mapping):
            for table in value.values():
                yield from _texts(table, depth=0)
        elif key not in KEYS:
            yield from _texts(value, depth=0)


def _texts(value: Any, *, depth: int) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if isinstance(inner, Mapping) or depth:
                yield from _unusual(name)
            yield from _texts(inner, depth=depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, depth=depth)
    elif _may_identify(value):
        yield from _unusual(str(value))


def _unusual(text: str) -> Iterator[str]:
    if text.lower() not in ORDINARY_WORDS:
        yield text


def _with_numbered_tables(value: Any, *, plugin: bool = False) -> Any:
    """Replace the names of tables, which the user chose."""
    if not isinstance(value, Mapping):
        return _shown("", value, plugin=plugin)
    return {
        f"<name-{number}>" if isinstance(inner, Mapping) else name: _shown(name, inner, plugin=plugin)
        for number, (name, inner) in enumerate(value.items(), 1)
    }


def _shown(key: str, value: Any, *, plugin: bool) -> Any:
    if isinstance(value, Mapping):
        if plugin and key != "plugin":
            return _with_numbered_tables(value, plugin=True)
        return {name: _shown(name, inner, plugin=plugin) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shown(key, inner, plugin=plugin) for inner in value]
    if key in COMMENT_KEYS:
        return "<comment>"
    return MASK if SECRET_KEY.search(key) or (plugin and _may_identify(value)) else value


def _may_identify(value: Any) -> bool:
    """Return whether a value of a plugin may be a name, a secret, or the number of a chat or phone."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str) or (is_number and value > LARGEST_PORT)


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that is no table and no list, with its key."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key)
    else:
        yield key, value


def _secrets(settings: Mapping[str, Any], base: Path) -> Iterator[str]:
    for key, value in _leaves(settings):
        if isinstance(value, str):
            yield from _secrets_of_text(key, value, base)
        elif SECRET_KEY.search(key) and not isinstance(value, bool):
            yield str(value)


def _secrets_of_text(key: str, text: str, base: Path) -> Iterator[str]:
    if key == "headers_file":
        yield from _header_values(text, base)
    elif SECRET_KEY.search(key):
        yield text
        if key.endswith("_file"):
            yield from _lines_of(base / text)
    yield from _secrets_of_url(text)


def _large_numbers(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield numbers that identify a chat or a phone; times and ports are smaller."""
    for _, value in _leaves(settings):
        if isinstance(value, int) and value > LARGEST_NUMBER:
            yield str(value)


def _hosts(settings: Mapping[str, Any]) -> Iterator[str]:
    for key, value in _leaves(settings):
        if isinstance(value, str) and HOST_KEY.search(key):
            yield from _host_in(value)


def _home_owners(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the owners of home directories in the paths of settings."""
    for _, value in _leaves(settings):
        if isinstance(value, str):
            yield from _HOME_OWNER.findall(value)


def _hosts_of_words(words: Sequence[str]) -> Iterator[str]:
    """Yield the values of options such as `--gateway nas` and `--gateway=nas`."""
    for option, value in (word.split("=", 1) for word in words if word.startswith("-") and "=" in word):
        yield from _host_in(value) if HOST_KEY.search(option) else ()
    for option, value in itertools.pairwise(words):
        yield from _host_in(value) if option.startswith("-") and HOST_KEY.search(option) else ()


def _host_in(text: str) -> Iterator[str]:
    """Yield the host of `HOST` or `HOST:PORT`; the redactor finds addresses and URLs itself."""
    host = re.sub(r":[0-9]*\Z", "", text)
    if re.search("[a-z]", host, re.IGNORECASE) and not re.search(r"[:/]", host):
        yield host


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
    is_variable = kind == "env" and mark
    for line in os.environ.get(name, "").splitlines() if is_variable else _lines_of(base / location):
        value = line.partition(":")[2].strip()
        yield value
        yield from value.split()[1:]


def _lines_of(path: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):
        yield from as_utf8(read_limited(path, LARGEST_SECRET)).decode("utf-8", "replace").splitlines()


def _secrets_of_environment() -> Iterator[str]:
    for name, value in os.environ.items():
        if SECRET_KEY.search(name) and name.upper() not in ("USER", "USERNAME", "USERPROFILE"):
            yield value
        yield from _secrets_of_url(value)
