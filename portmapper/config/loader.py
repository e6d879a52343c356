"""Reads the settings file; whatever is wrong with it is told with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from portmapper.api.config import structure
from portmapper.api.errors import SettingError, UsageError
from portmapper.api.suggestions import nearest
from portmapper.config.schema import Settings
from portmapper.sources.row_parser import FIELDS

MAX_SIZE = 256 * 1024
"""Bytes that a settings file may have."""

KEYS = tuple(field.name for field in attrs.fields(Settings))

_Path = tuple[str | int, ...]
# A value that goes on over several lines ends on a line with one of these.
_MAY_END = re.compile(r"""[]}]|\"""|'''""")


@attrs.frozen
class SettingsFile:
    """A settings file as it was read.

    Attributes:
        path: where it is, None when there is none.
        settings: the core's keys.
        plugin_tables: top-level keys that are a plugin's, or nobody's, with their values.
        text: the file's text.
    """

    path: Path | None = None
    settings: Settings = attrs.field(factory=Settings)
    plugin_tables: Mapping[str, Any] = attrs.field(factory=dict)
    text: str = ""

    def located(self, error: SettingError) -> SettingError:
        """Return an error with the file and the line of its key."""
        return SettingError(error.path, error.reason, f"{self.path}:{line_of(self.text, error.path)}")

    def check_plugin_tables(self, tables: Iterable[str]) -> None:
        """See to it that each other key is one of these plugins' tables.

        Raises:
            SettingError: one is not; the nearest that there is is named.
        """
        known = tuple(tables)
        for key in self.plugin_tables:
            if key not in known:
                hint = nearest(key, (*KEYS, *known))
                raise self.located(SettingError((key,), f"unknown key{hint}"))


def read_settings(path: Path) -> SettingsFile:
    """Read a settings file.

    Raises:
        UsageError: it cannot be read, or is not TOML.
        SettingError: a key of the core's is wrong.
    """
    text = _text(path)
    try:
        document = _loads(text)
    except RecursionError:
        raise UsageError(f"{path}: nested too deep") from None
    except ValueError as error:
        raise UsageError(f"{path}: not TOML: {error}") from None
    plugin_tables = {key: value for key, value in document.items() if key not in KEYS}
    try:
        ours = structure(Settings, {key: value for key, value in document.items() if key in KEYS})
        _check_rows(ours)
    except SettingError as error:
        raise SettingsFile(path, text=text).located(error) from None
    return SettingsFile(path, ours, plugin_tables, text)


def line_of(text: str, path: _Path) -> int:
    """Return the line at which a key stands, or else the table that it belongs to; 1 where it has none."""
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
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if len(content) > MAX_SIZE:
        raise UsageError(f"{path}: larger than {MAX_SIZE // 1024} KiB")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start})") from None


def _check_rows(settings: Settings) -> None:
    """A misspelt key of a mapping is an error here; a wrong value rejects the row, as in any list."""
    for place, row in enumerate(settings.mapping):
        for key in row:
            if key not in FIELDS:
                raise SettingError(("mapping", place, key), f"unknown key{nearest(key, FIELDS)}")


def _lines(text: str) -> Iterator[tuple[_Path, int]]:
    """Yield the path of each table and key with its line, which tomllib does not tell."""
    counts: dict[_Path, int] = {}
    table: _Path = ()
    for line, statement in _statements(text):
        fragment = _loads(statement)
        if statement.startswith("["):
            table = _numbered(_way(fragment), counts, repeats=statement.startswith("[["))
            yield table, line
        else:
            yield (*table, *_way(fragment)), line


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each header and each key with its value, also over several lines."""
    begun, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if not begun and (not line.strip() or line.lstrip().startswith("#")):
            continue
        first = first if begun else number
        begun += f"{line}\n"
        if (number == first or _MAY_END.search(line)) and _is_whole(begun):
            yield first, begun.strip()
            begun = ""


def _is_whole(statement: str) -> bool:
    try:
        _loads(statement)
    except ValueError:
        return False
    return True


def _way(fragment: object) -> _Path:
    """Return the names down to the value of a document that has one key, or one table."""
    way: list[str] = []
    while isinstance(fragment, list | dict) and len(fragment) == 1:
        if isinstance(fragment, list):
            fragment = fragment[0]
        else:
            ((name, fragment),) = fragment.items()
            way.append(name)
    return tuple(way)


def _numbered(way: _Path, counts: dict[_Path, int], *, repeats: bool) -> _Path:
    """Add to each name of an array of tables which of its tables is meant."""
    path: _Path = ()
    for place, name in enumerate(way, 1):
        path = (*path, name)
        if repeats and place == len(way):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
