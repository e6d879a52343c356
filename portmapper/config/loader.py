"""Loads the settings file, and reports errors with file and line."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from portmapper.api.config import structure
from portmapper.api.errors import SettingError, UsageError
from portmapper.api.field_names import FIELD_NAMES
from portmapper.api.suggestions import nearest
from portmapper.config.schema import Settings
from portmapper.sources.unknown_fields import unknown_key
from portmapper.support.encodings import UNDECODED, decoded, in_windows_letters
from portmapper.support.safe_open import read_limited
from portmapper.support.values import frozen

MAX_SIZE = 256 * 1024
"""Maximum size of a settings file in bytes."""

KEYS = tuple(field.name for field in attrs.fields(Settings))

_UNKNOWN = "\ufffd"
"""The replacement character: a byte has no letter in Windows-1252."""

_log = logging.getLogger(__name__)

_Path = tuple[str | int, ...]
# A value of several lines ends on a line with one of these.
_MAY_END = r"""[]}]|\"""|'''"""


@frozen
class SettingsFile:
    """A loaded settings file.

    Attributes:
        path: its path, None if there is no file.
        settings: settings of the core.
        plugin_tables: the other top-level keys, which belong to plugins or are unknown, with their values.
        text: the file's text.
    """

    path: Path | None = None
    settings: Settings = attrs.field(factory=Settings)
    plugin_tables: Mapping[str, Any] = attrs.field(factory=dict)
    text: str = ""

    def located(self, error: SettingError) -> SettingError:
        """Return the error with the file and the line of its key."""
        return SettingError(error.path, error.reason, f"{self.path}:{line_of(self.text, error.path)}")

    def check_plugin_tables(self, tables: Iterable[str]) -> None:
        """Check that each other top-level key is the table of a plugin.

        Raises:
            SettingError: a key is unknown; the message suggests the nearest known key.
        """
        known = tuple(tables)
        for key in self.plugin_tables:
            if key not in known:
                hint = nearest(key, (*KEYS, *known))
                raise self.located(SettingError((key,), f"unknown key{hint}"))


def read_settings(path: Path) -> SettingsFile:
    """Load a settings file.

    Raises:
        UsageError: the file cannot be read or is not valid TOML.
        SettingError: a key of the core is invalid.
    """
    text = _text(path)
    try:
        document = _loads(text)
    except RecursionError:
        raise UsageError(f"{path}: nested too deep") from None
    except ValueError as error:
        raise UsageError(f"{path}: not TOML: {_mistake(text, str(error))}") from None
    plugin_tables = {key: value for key, value in document.items() if key not in KEYS}
    try:
        settings = structure(Settings, {key: value for key, value in document.items() if key in KEYS})
        _check_rows(settings)
    except SettingError as error:
        raise SettingsFile(path, text=text).located(error) from None
    return SettingsFile(path, settings, plugin_tables, text)


def _mistake(text: str, error: str) -> str:
    from portmapper.support.toml_mistakes import toml_mistake  # needed only after a mistake

    first = text.lstrip().partition("\n")[0].lower()
    is_list = "port" in first and "=" not in first
    return toml_mistake(text, error, "it looks like a list: name it without --config" if is_list else "")


def line_of(text: str, path: _Path) -> int:
    """Return the line of a key, or else of its nearest known table; 1 if there is none."""
    lines: dict[_Path, int] = {}
    for known, line in _lines(text):
        for length in range(1, len(known) + 1):
            lines.setdefault(known[:length], line)
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def _loads(text: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(text)


def _text(path: Path) -> str:
    try:
        content = read_limited(path, MAX_SIZE + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if len(content) > MAX_SIZE:
        raise UsageError(f"{path}: larger than {MAX_SIZE // 1024} KiB")
    try:
        text = decoded(content).replace("\r\n", "\n")
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    return _with_windows_letters(text, path)


def _with_windows_letters(text: str, path: Path) -> str:
    """Read a file that an old editor on Windows saved, and warn; TOML files must be UTF-8."""
    wrong = UNDECODED.search(text)
    if wrong is None:
        return text
    line = text.count("\n", 0, wrong.start()) + 1
    read = in_windows_letters(text)
    if read.count(_UNKNOWN) > text.count(_UNKNOWN):
        raise UsageError(f"{path}: not UTF-8 text (line {line}): save the file as UTF-8")
    _log.warning("%s: not UTF-8 (line %d), read as Windows-1252: save the file as UTF-8", path, line)
    return read


def _check_rows(settings: Settings) -> None:
    """Raise an error for an unknown key of a mapping. A wrong value only rejects its row, as in any list."""
    for place, row in enumerate(settings.mapping):
        for key in row:
            if key not in FIELD_NAMES:
                raise SettingError(("mapping", place, key), unknown_key(key))


def _lines(text: str) -> Iterator[tuple[_Path, int]]:
    """Yield the path of each table and key with its line, because tomllib reports no lines."""
    counts: dict[_Path, int] = {}
    table: _Path = ()
    for line, statement in _statements(text):
        fragment = _loads(statement)
        if statement.startswith("["):
            table = _with_indexes(_key_path(fragment), counts, repeats=statement.startswith("[["))
            yield table, line
        else:
            yield (*table, *_key_path(fragment)), line


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each header and each key with its value, which may have several lines."""
    statement, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if not statement and (not line.strip() or line.lstrip().startswith("#")):
            continue
        first = first if statement else number
        statement += f"{line}\n"
        if (number == first or re.search(_MAY_END, line)) and _is_complete(statement):
            yield first, statement.strip()
            statement = ""


def _is_complete(statement: str) -> bool:
    try:
        _loads(statement)
    except ValueError:
        return False
    return True


def _key_path(fragment: object) -> _Path:
    """Return the path to the value in a document with a single key or table."""
    path: list[str] = []
    while isinstance(fragment, list | dict) and len(fragment) == 1:
        if isinstance(fragment, list):
            fragment = fragment[0]
        else:
            ((name, fragment),) = fragment.items()
            path.append(name)
    return tuple(path)


def _with_indexes(keys: _Path, counts: dict[_Path, int], *, repeats: bool) -> _Path:
    """Insert the index of the current table after each name of an array of tables."""
    path: _Path = ()
    for place, name in enumerate(keys, 1):
        path = (*path, name)
        if repeats and place == len(keys):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
