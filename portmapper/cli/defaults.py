"""Fills in from the settings file what the command line leaves open."""

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
"""Options that stay as they are where there is no settings file."""


def settle(arguments: argparse.Namespace) -> None:
    """Give each option that the command line leaves open the value of the settings file, else its default.

    Options win over the file. `given` holds the arguments as they were, for a reload; `settings_file` the
    file; `settled` the names of the options that the file decided.

    Raises:
        UsageError: the file cannot be read, or something in it is wrong.
    """
    path = _path(arguments.config)
    if path is None and vars(arguments).keys() <= _WITHOUT_DEFAULT:
        return  # `status` need not load what knows the defaults
    from portmapper.config.loader import SettingsFile, read_settings

    arguments.given = argparse.Namespace(**vars(arguments))
    file = read_settings(path) if path else SettingsFile()
    arguments.settings_file = file
    arguments.settled = set()
    _fill(arguments, _values(file.settings))
    if "disable_plugin" in arguments:
        arguments.disable_plugin = [*arguments.disable_plugin, *file.settings.disable_plugins]
    if file.others:
        file.check_others(_tables(_plugins(arguments)))
    if "backend" in arguments and not arguments.backend:
        arguments.backend = _backends(arguments, file)
        if arguments.backend:
            arguments.settled.add("backend")


def _path(config: Path | None) -> Path | None:
    from portmapper.config.paths import settings_file

    return config.absolute() if config is not None else settings_file()


def _values(settings: Settings) -> dict[str, Any]:
    """Return the options by the names that argparse knows them by."""
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
    }


def _fill(arguments: argparse.Namespace, values: dict[str, Any]) -> None:
    for name, value in values.items():
        # Not the number 0, which nobody may have typed as "left out".
        if name in arguments and getattr(arguments, name) in (None, False, []):
            setattr(arguments, name, value)
            if value:
                arguments.settled.add(name)


def _plugins(arguments: argparse.Namespace) -> Plugins:
    from portmapper.pluginhost.manager import load_plugins

    return load_plugins(getattr(arguments, "disable_plugin", ()))


def _tables(plugins: Plugins) -> Iterable[str]:
    return [observer.table for observer in plugins.observers if observer.table]


def _backends(arguments: argparse.Namespace, file: SettingsFile) -> list[str]:
    """Return the names of all backends that are not forbidden, in the wanted order; none for all by rank."""
    from portmapper.api.errors import SettingError
    from portmapper.api.suggestions import nearest

    desired = file.settings.backend
    if not desired.order and not desired.forbidden:
        return []
    known = [backend.name for backend in _plugins(arguments).backends]
    for key, names in (("order", desired.order), ("forbidden", desired.forbidden)):
        for place, name in enumerate(names):
            if name not in known:
                reason = f"no backend named {name!r}{nearest(name, tuple(known))}"
                raise file.located(SettingError(("backend", key, place), reason))
    allowed = [name for name in dict.fromkeys([*desired.order, *known]) if name not in desired.forbidden]
    if not allowed:
        raise file.located(SettingError(("backend", "forbidden"), "no backend is left"))
    return allowed
