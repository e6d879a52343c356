"""Schema of the `[[hook]]` and `[[webhook]]` tables in the settings file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import attrs

from portmapper.api import READ, EventKind, SettingError, nearest, quoted, structure
from portmapper.support.secrets import mask_url
from portmapper.support.values import frozen

T = TypeVar("T")

MAX_HOOKS = 64
"""Most tables of one kind in a settings file."""

MAX_TIME = 3600.0
MAX_NAME = 64
MAX_BODY = 65536
METHODS = ("POST", "PUT", "PATCH", "GET", "DELETE")
_HEADER = r"[A-Za-z0-9-]{1,100}"
# The library computes these, and another value would make the request ambiguous.
_OWN_HEADERS = frozenset({"content-length", "host", "transfer-encoding", "connection"})


def _kinds(value: object) -> frozenset[EventKind]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        raise ValueError(f"{quoted(value)} is not an event name or a list of event names")
    for index, name in enumerate(names):
        if name not in list(EventKind):
            hint = nearest(name, tuple(EventKind)) if isinstance(name, str) else ""
            path = () if isinstance(value, str) else (index,)
            raise SettingError(path, f"{quoted(name)} is not an event{hint}")
    return frozenset(EventKind(name) for name in names)


def _command(value: object) -> tuple[str, ...]:
    words = value if isinstance(value, list) else []
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words) or not words[0]:
        raise ValueError(f"{quoted(value)} is not a list: a program and its arguments, such as ['/bin/true']")
    return tuple(words)


def _url(value: object) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        _ = parts and parts.port
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        # Without a scheme, what is secret in it cannot be told from the rest.
        has_scheme = isinstance(value, str) and "://" in value
        shown = quoted(mask_url(str(value))) if has_scheme else "the value"
        raise ValueError(f"{shown} is not an http or https URL")
    return str(value)


def _seconds(value: object) -> float:
    if type(value) not in (int, float) or not 0 < value <= MAX_TIME:  # type: ignore[operator]
        raise ValueError(f"{quoted(value)} is not a number of seconds, up to {MAX_TIME:.0f}")
    return float(value)  # type: ignore[arg-type]


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME:
        raise ValueError(f"{quoted(value)} is not a name of 1 to {MAX_NAME} characters")
    return value.strip()


def _method(value: object) -> str:
    if value not in METHODS:
        raise ValueError(f"{quoted(value)} is not one of {', '.join(METHODS)}")
    return str(value)


def _headers(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > MAX_HOOKS:
        raise ValueError(f"is not a table of up to {MAX_HOOKS} headers")
    for name, text in value.items():
        if not re.fullmatch(_HEADER, name) or name.lower() in _OWN_HEADERS:
            raise SettingError((name,), "is not a header that you can set")
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            raise SettingError((name,), "is not one line of ASCII text")
    return dict(value)


def _body(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_BODY:
        raise ValueError(f"is not a text of up to {MAX_BODY} characters")
    return value


def _attempts(value: object) -> int:
    if type(value) is not int or not 1 <= value <= 10:
        raise ValueError(f"{quoted(value)} is not a number from 1 to 10")
    return value


@frozen
class HookSettings:
    """One `[[hook]]` table.

    Attributes:
        on: an event name, or a list of event names.
        run: the program and its arguments, run without a shell.
        time_limit: seconds after which the program is killed.
        name: what messages call it; empty for the program's path.
        attempts: most runs for one event, while the program is missing or fails.
        delay: seconds before the second run; it doubles for each later one.
    """

    on: frozenset[EventKind] = attrs.field(metadata={READ: _kinds})
    run: tuple[str, ...] = attrs.field(metadata={READ: _command})
    time_limit: float = attrs.field(default=30.0, metadata={READ: _seconds})
    name: str = attrs.field(default="", metadata={READ: _name})
    attempts: int = attrs.field(default=5, metadata={READ: _attempts})
    delay: float = attrs.field(default=2.0, metadata={READ: _seconds})


@frozen
class WebhookSettings:
    """One `[[webhook]]` table.

    Attributes:
        on: an event name, or a list of event names.
        url: http or https URL of the requests.
        secret: key that signs each request; empty for unsigned requests.
        secret_file: absolute path of a file with the key, read for each request.
        time_limit: seconds that one attempt may take.
        attempts: most attempts for one event.
        method: method of the requests.
        headers: more headers, with placeholders in their values.
        body: the body with placeholders; None for the event as JSON.
        name: the name for `hooks test`.
    """

    on: frozenset[EventKind] = attrs.field(metadata={READ: _kinds})
    url: str = attrs.field(metadata={READ: _url}, repr=False)
    secret: str = attrs.field(default="", repr=False)
    secret_file: Path | None = None
    time_limit: float = attrs.field(default=10.0, metadata={READ: _seconds})
    attempts: int = attrs.field(default=4, metadata={READ: _attempts})
    method: str = attrs.field(default="POST", metadata={READ: _method})
    headers: dict[str, str] = attrs.field(factory=dict, repr=False, metadata={READ: _headers})
    body: str | None = attrs.field(default=None, repr=False, metadata={READ: _body})
    name: str = attrs.field(default="", metadata={READ: _name})


def tables(kind: type[T], value: object, name: str) -> list[T]:
    """Return one object for each table of an array of tables.

    Raises:
        SettingError: the setting is not an array of tables, or a key of a table is invalid.
    """
    if not isinstance(value, list):
        raise SettingError((name,), f"is not an array of tables: write [[{name}]]")
    if len(value) > MAX_HOOKS:
        raise SettingError((name,), f"more than {MAX_HOOKS} tables")
    return [structure(kind, table, (name, index)) for index, table in enumerate(value)]
