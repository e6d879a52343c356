"""Schema of the `[[hook]]` and `[[webhook]]` tables in the settings file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import attrs

from portmapper.api import READ, EventKind, SettingError, nearest, quoted, structure
from portmapper.support.secrets import mask_url

T = TypeVar("T")

MAX_HOOKS = 64
"""Most tables of one kind in a settings file."""

MAX_TIME = 3600.0


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


def _attempts(value: object) -> int:
    if type(value) is not int or not 1 <= value <= 10:
        raise ValueError(f"{quoted(value)} is not a number from 1 to 10")
    return value


@attrs.frozen
class HookSettings:
    """One `[[hook]]` table.

    Attributes:
        on: an event name, or a list of event names.
        run: the program and its arguments, run without a shell.
        time_limit: seconds after which the program is killed.
    """

    on: frozenset[EventKind] = attrs.field(metadata={READ: _kinds})
    run: tuple[str, ...] = attrs.field(metadata={READ: _command})
    time_limit: float = attrs.field(default=30.0, metadata={READ: _seconds})


@attrs.frozen
class WebhookSettings:
    """One `[[webhook]]` table.

    Attributes:
        on: an event name, or a list of event names.
        url: http or https URL to POST to.
        secret: key that signs each request; empty for unsigned requests.
        secret_file: absolute path of a file with the key, read for each request.
        time_limit: seconds that one attempt may take.
        attempts: most attempts for one event.
    """

    on: frozenset[EventKind] = attrs.field(metadata={READ: _kinds})
    url: str = attrs.field(metadata={READ: _url}, repr=False)
    secret: str = attrs.field(default="", repr=False)
    secret_file: Path | None = None
    time_limit: float = attrs.field(default=10.0, metadata={READ: _seconds})
    attempts: int = attrs.field(default=4, metadata={READ: _attempts})


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
