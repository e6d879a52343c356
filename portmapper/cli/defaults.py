"""Takes the values of omitted options from the settings file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portmapper.config.loader import SettingsFile
    from portmapper.config.schema import Settings
    from portmapper.pluginhost.manager import Plugins


_WITHOUT_DEFAULT = {"config", "state_dir", "json", "watch"}
"""Options that need no default value without a settings file."""


def apply_settings(arguments: argparse.Namespace) -> None:
    """Set each omitted option to its value in the settings file, or to its default.

    Options on the command line override the file. The attribute `given` keeps the original arguments for a
    reload, and `settings_file` the parsed file.

    Raises:
        UsageError: the file cannot be read or is invalid.
    """
    path = _path(arguments.config)
    if arguments.config is not None:
        arguments.config = path  # a daemon in the background changes its directory before a reload
    if path is None and vars(arguments).keys() <= _WITHOUT_DEFAULT:
        return  # keeps `status` fast: it needs no defaults, so the settings schema is not imported
    from portmapper.config.loader import SettingsFile, read_settings
    from portmapper.sources.presets import use_own_presets

    arguments.given = argparse.Namespace(**vars(arguments))
    file = read_settings(path) if path else SettingsFile()
    arguments.settings_file = file
    use_own_presets(file.settings.preset)
    _fill(arguments, _values(file.settings))
    if "lead_with" in arguments and not arguments.lead_with and not arguments.lead_with_address:
        arguments.lead_with_address = file.settings.guard.address
        arguments.lead_with = file.settings.guard.lead_with
    if "disable_plugin" in arguments:
        arguments.disable_plugin = [*arguments.disable_plugin, *file.settings.disable_plugins]
    if file.plugin_tables:
        file.check_plugin_tables(_tables(_plugins(arguments)))
    _configure_plugins(arguments, file)
    if "backend" in arguments and not arguments.backend:
        arguments.backend = _backends(arguments, file)


def _path(config: Path | None) -> Path | None:
    from portmapper.config.paths import settings_file

    return config.absolute() if config is not None else settings_file()


def _values(settings: Settings) -> dict[str, Any]:
    """Return the settings by the names of their command-line options in the argparse namespace."""
    level = None if os.environ.get("PORTMAPPER_LOG") else settings.log.level
    return {
        "format": settings.format,
        "csv_delimiter": settings.csv_delimiter,
        "interval": settings.interval,
        "conflict": settings.conflict.value,
        "family": "both" if len(settings.family) == 2 else settings.family[0].value,
        "close_ports_on_exit": settings.close_ports_on_exit,
        "gateway": list(settings.gateway),
        "state_dir": settings.state_dir,
        "pid_file": settings.pid_file,
        "log_level": level.value if level else None,
        "log_format": settings.log.format.value,
        "log_file": settings.log.file,
        "http": settings.http.listen,
    }


def _fill(arguments: argparse.Namespace, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name in arguments and getattr(arguments, name) in (None, False, []):
            setattr(arguments, name, value)


def _plugins(arguments: argparse.Namespace) -> Plugins:
    from portmapper.pluginhost.manager import load_plugins

    return load_plugins(getattr(arguments, "disable_plugin", ()))


def _tables(plugins: Plugins) -> Iterable[str]:
    return ["plugin", *plugins.tables]


def _configure_plugins(arguments: argparse.Namespace, file: SettingsFile) -> None:
    """Check the settings of plugins; their objects get them when they are created."""
    tables = file.plugin_tables.get("plugin")
    if tables is None and not any(name.startswith("PORTMAPPER_PLUGIN_") for name in os.environ):
        return
    from portmapper.api.errors import SettingError
    from portmapper.pluginhost.settings import SETTINGS

    SETTINGS.tables = tables if isinstance(tables, dict) else {}
    try:
        if tables is not None and not isinstance(tables, dict):
            raise SettingError(("plugin",), "is not a table of tables")
        _plugins(arguments).check_settings()
    except SettingError as error:
        raise error if error.path[0] != "plugin" else file.located(error) from None


def _backends(arguments: argparse.Namespace, file: SettingsFile) -> list[str]:
    """Return the names of the backends that are not forbidden, in the configured order.

    The list is empty if the file configures neither, which means all backends by rank.
    """
    from portmapper.api.errors import SettingError
    from portmapper.api.suggestions import nearest

    setting = file.settings.backend
    if not setting.order and not setting.forbidden:
        return []
    known = [backend.name for backend in _plugins(arguments).backends]
    for key, names in (("order", setting.order), ("forbidden", setting.forbidden)):
        for index, name in enumerate(names):
            if name not in known:
                reason = f"no backend named {name!r}{nearest(name, tuple(known))}"
                raise file.located(SettingError(("backend", key, index), reason))
    allowed = [name for name in dict.fromkeys([*setting.order, *known]) if name not in setting.forbidden]
    if not allowed:
        raise file.located(SettingError(("backend", "forbidden"), "no backend is left"))
    return allowed
