"""Settings of plugins: the tables `[plugin.NAME]` and the environment, as each plugin's own attrs class."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from portmapper.api.config import structure
from portmapper.api.errors import SettingError, quoted
from portmapper.api.suggestions import nearest
from portmapper.support.secrets import remember

TABLE = "plugin"

_log = logging.getLogger(__name__)


class PluginSettings:
    """What the settings file and the environment say for each plugin.

    Attributes:
        tables: the tables `[plugin.NAME]` of the settings file, by the name of the entry point.
    """

    def __init__(self) -> None:
        self.tables: Mapping[str, Any] = {}

    def of(self, name: str, kind: type[Any]) -> Any:
        """Return a plugin's settings. The environment overrides the file.

        Args:
            name: the name of its entry point.
            kind: its attrs class.

        Raises:
            SettingError: a key is unknown, missing or invalid; the path begins with `plugin` and the name.
        """
        table = self.tables.get(name, {})
        if not isinstance(table, Mapping):
            raise SettingError((TABLE, name), f"{quoted(table)} is not a table")
        values = dict(table)
        for field in attrs.fields(kind):
            variable = variable_of(name, field.name)
            if variable in os.environ:
                values[field.name] = _from_text(kind, field.name, os.environ[variable], variable)
        settings = structure(kind, values, (TABLE, name))
        for text in _secret_texts(settings):
            remember(text)
        return settings

    def given(self, name: str, kind: type[Any]) -> bool:
        """Return whether the file or the environment says anything for a plugin."""
        variables = (variable_of(name, field.name) for field in attrs.fields(kind))
        return name in self.tables or any(variable in os.environ for variable in variables)

    def mentions(self, name: str) -> bool:
        """Return whether the file or a variable names a plugin, whatever settings it has."""
        return name in self.tables or any(key.startswith(variable_of(name, "")) for key in os.environ)

    def report_unknown_variables(self, kinds: Iterable[tuple[str, type[Any]]]) -> None:
        """Log the variables of the environment that are no key of these plugins.

        The name of a plugin may begin with that of another one, so a variable may belong to either.
        """
        kinds = list(kinds)
        known = {variable_of(name, field.name) for name, kind in kinds for field in attrs.fields(kind)}
        prefixes = tuple(variable_of(name, "") for name, _ in kinds)
        for name in sorted(os.environ):
            if name.startswith(prefixes) and name not in known:
                _log.warning("the environment variable %s has no effect: its plugin has no such key", name)

    def check_names(self, known: tuple[str, ...]) -> None:
        """Check that each table belongs to a plugin.

        Raises:
            SettingError: one does not; the message suggests the nearest name.
        """
        for name in self.tables:
            if name not in known:
                raise SettingError((TABLE, name), f"no plugin named {name!r}{nearest(name, known)}")


def _secret_texts(value: Any, *, is_hidden: bool = False) -> Iterator[str]:
    """Yield each text in the fields that a plugin hides from `repr`."""
    if attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            yield from _secret_texts(getattr(value, field.name), is_hidden=is_hidden or not field.repr)
    elif isinstance(value, Mapping):
        yield from _secret_texts(list(value.values()), is_hidden=is_hidden)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _secret_texts(inner, is_hidden=is_hidden)
    elif is_hidden and isinstance(value, str):
        yield value


def variable_of(name: str, key: str) -> str:
    """Return the environment variable of a plugin's key."""
    return f"PORTMAPPER_PLUGIN_{name}_{key}".upper().replace("-", "_")


def _from_text(kind: type[Any], key: str, text: str, variable: str) -> object:
    """Return the value of a variable: the text itself if that is valid, else what it means in TOML."""
    import tomllib  # rarely needed

    single = attrs.make_class("Single", {key: _alone(kind, key)}, frozen=True)
    try:
        structure(single, {key: text})
    except SettingError as error:
        reason = error.reason
    else:
        return text
    try:
        value = tomllib.loads(f"value = {text}")["value"]
        structure(single, {key: value})
    except (SettingError, tomllib.TOMLDecodeError):
        raise SettingError((variable,), reason, "environment") from None
    return value


def _alone(kind: type[Any], key: str) -> Any:
    attrs.resolve_types(kind)
    field = attrs.fields_dict(kind)[key]
    return attrs.field(type=field.type, metadata=dict(field.metadata))


SETTINGS = PluginSettings()
"""Global, because a process has one settings file and one environment."""


def has_settings(cls: type[Any]) -> bool:
    """Return whether a class of a plugin declares a class for its settings."""
    return isinstance(getattr(cls, "settings", None), type)


def with_settings(name: str, cls: type[Any]) -> type[Any]:
    """Return a class of a plugin that passes `settings` to its constructor, if it declares any."""
    if not has_settings(cls):
        return cls
    kind = cls.settings

    def create(self: Any, *arguments: Any, **more: Any) -> None:
        cls.__init__(self, *arguments, settings=SETTINGS.of(name, kind), **more)

    names = {"__init__": create, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    make: Any = type(cls)
    configured: type[Any] = make(cls.__name__, (cls,), names)
    return configured
