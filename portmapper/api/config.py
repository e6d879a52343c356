"""Converts tables of the settings file to frozen attrs classes, with strict checks of keys and types."""

from __future__ import annotations

import enum
import functools
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import attrs

from portmapper.api.errors import SettingError, quoted
from portmapper.api.suggestions import nearest

T = TypeVar("T")

READ = "read"
"""Metadata key of an attrs field: a function that converts the written value, or raises `ValueError`."""


def structure(kind: type[T], table: object, path: tuple[str | int, ...] = ()) -> T:
    """Convert a table of the settings file to an instance of the attrs class `kind`.

    Each field of the class is a key; a field without a default is required. `path` is the table's path.

    Raises:
        SettingError: a key is unknown or missing, or its type or value is invalid.
    """
    if table == {} and not _required(kind):
        return kind()  # without cattrs
    try:
        structured: T = _converter().structure(table, kind)
    except SettingError as error:
        raise SettingError((*path, *error.path), error.reason) from None
    return structured


def _required(kind: type[Any]) -> list[str]:
    return [field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING]


@functools.cache
def _converter() -> Any:
    # Built on first use: importing cattrs takes 40 ms, and most runs have no table to convert.
    import cattrs

    converter = cattrs.Converter(detailed_validation=False)
    for kind, hook in _PLAIN.items():
        converter.register_structure_hook(kind, hook)
    # Otherwise cattrs would apply the hook for `str`, because StrEnum is a subclass of it.
    converter.register_structure_hook(enum.StrEnum, _read_enum)
    converter.register_structure_hook_func(_is_optional_path, _read_optional_path)
    converter.register_structure_hook_func(_is_tuple, functools.partial(_read_tuple, converter))
    converter.register_structure_hook_factory(attrs.has, functools.partial(_table_reader, converter))
    return converter


def _table_reader(converter: Any, kind: type[Any]) -> Callable[[object, object], object]:
    attrs.resolve_types(kind)
    fields = {field.name: field for field in attrs.fields(kind)}

    def read(table: object, _: object) -> object:
        if not isinstance(table, dict):
            raise SettingError((), f"{quoted(table)} is not a table")
        for key in table:
            if key not in fields:
                raise SettingError((key,), f"unknown key{nearest(key, tuple(fields))}")
        for name in _required(kind):
            if name not in table:
                raise SettingError((name,), "is missing")
        return kind(**{key: _read_field(converter, fields[key], value) for key, value in table.items()})

    return read


def _read_field(converter: Any, field: Any, value: object) -> object:
    try:
        if READ in field.metadata:
            return field.metadata[READ](value)
        return converter.structure(value, field.type)
    except SettingError as error:
        raise SettingError((field.name, *error.path), error.reason) from None
    except ValueError as error:
        raise SettingError((field.name,), str(error)) from None


def _read_tuple(converter: Any, value: object, kind: Any) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise SettingError((), f"{quoted(value)} is not a list")
    read = []
    for place, item in enumerate(value):
        try:
            read.append(converter.structure(item, get_args(kind)[0]))
        except SettingError as error:
            raise SettingError((place, *error.path), error.reason) from None
    return tuple(read)


def _read_enum(value: object, kind: type[enum.Enum]) -> object:
    for member in kind:
        if isinstance(value, str) and member.value == value.lower():
            return member
    raise SettingError((), f"{quoted(value)} is not one of {', '.join(str(member.value) for member in kind)}")


def _is_tuple(kind: object) -> bool:
    return get_origin(kind) is tuple


def _plain(kind: type[Any], word: str, *also: type[Any]) -> Callable[[object, object], object]:
    def read(value: object, _: object) -> object:
        # In Python a bool is an int, but `true` is not a valid number.
        if type(value) not in (kind, *also):
            raise SettingError((), f"{quoted(value)} is not {word}")
        return kind(value)

    return read


def _read_path(value: object, _: object) -> Path:
    is_usable = isinstance(value, str) and value and "\0" not in value
    path = Path(str(value)).expanduser() if is_usable else Path()
    if not path.is_absolute():
        raise SettingError((), f"{quoted(value)} is not an absolute path")
    return path


def _is_optional_path(kind: object) -> bool:
    return kind == Path | None


def _read_optional_path(value: object, kind: object) -> Path | None:
    """Read a path; an environment variable that is empty names none."""
    return None if value in (None, "") else _read_path(value, kind)


_PLAIN: types.MappingProxyType[type, Callable[[object, object], object]] = types.MappingProxyType(
    {
        str: _plain(str, "text"),
        bool: _plain(bool, "true or false"),
        int: _plain(int, "a whole number"),
        float: _plain(float, "a number", int),
        Path: _read_path,
    }
)
