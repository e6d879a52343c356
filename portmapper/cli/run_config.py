"""Builds the reloadable parts of a run from options and settings: source readers, observers and policy."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from portmapper.api.errors import SettingError, UsageError
from portmapper.api.source import FetchOptions
from portmapper.cli.defaults import apply_settings
from portmapper.cli.options import format_options
from portmapper.config.schema import ProbeSettings, SourceSettings
from portmapper.daemon.reloadable import Reloadable
from portmapper.pluginhost.faults import record_fault
from portmapper.sources import environment
from portmapper.sources.open_source import is_path, open_source
from portmapper.sources.policy import Policy
from portmapper.sources.reader import AUTO, SourceReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portmapper.api.daemon_command import DaemonParts
    from portmapper.api.events import Observer
    from portmapper.api.source import FormatOptions, Source
    from portmapper.config.loader import SettingsFile
    from portmapper.pluginhost.manager import Plugins
    from portmapper.sources.inline import InlineSource

NEED_RESTART = (
    *("interval", "conflict", "close_ports_on_exit", "gateway", "backend", "state_dir", "pid_file"),
    *("disable_plugins", "log", "http", "guard", "cluster"),
)
"""Settings that take effect only when the program starts; a reload does not change them."""

INLINE = "inline"
"""Takes the place of a location for the mappings of the settings file."""

_log = logging.getLogger(__name__)


class RunConfig:
    """Builds the setup of a run, and builds it again on reload; unchanged parts remain the same objects.

    Attributes:
        setup: the setup of the settings file that was read last.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        plugins: Plugins,
        *,
        with_observers: bool = True,
        parts: DaemonParts | None = None,
    ) -> None:
        """Build the setup; this reads no source.

        Args:
            arguments: the arguments, completed by `apply_settings`.
            plugins: the loaded plugins.
            with_observers: whether to create observers too.
            parts: sources and observers of a plugin's command.

        Raises:
            UsageError: there is no source, no plugin reads a source, or a setting is invalid.
        """
        self._given = arguments.given
        self._file: SettingsFile = arguments.settings_file
        self._plugins = plugins
        self._with_observers = with_observers
        self._parts = parts
        self._readers: dict[object, SourceReader] = {}
        self._inline: InlineSource | None = None
        self._observers: dict[str, tuple[Any, Observer | None]] = {}
        self.setup = self._make(arguments)

    def reload(self) -> Reloadable:
        """Read the settings file again and build a new setup.

        Raises:
            UsageError: as in the constructor; the old setup stays in effect.
        """
        arguments = argparse.Namespace(**vars(self._given))
        apply_settings(arguments)
        setup = self._make(arguments)
        old, new = self._file.settings, arguments.settings_file.settings
        changed = [name for name in NEED_RESTART if getattr(old, name) != getattr(new, name)]
        if changed:
            _log.warning("changed settings that take effect after a restart: %s", ", ".join(changed))
        self._file = arguments.settings_file
        self.setup = setup
        return setup

    def _make(self, arguments: argparse.Namespace) -> Reloadable:
        file: SettingsFile = arguments.settings_file
        policy = policy_of(arguments)
        observers = self._make_observers(file) if self._with_observers else []
        if self._parts and self._with_observers:
            observers += self._parts.observers
        return Reloadable(self._make_readers(arguments, file, policy), observers, policy, probe_of(file))

    def _make_readers(
        self, arguments: argparse.Namespace, file: SettingsFile, policy: Policy
    ) -> list[SourceReader]:
        options = format_options(arguments, self._plugins)
        given = [*arguments.source, *arguments.file]
        tables = _tables_by_location(file, self._plugins.sources)
        listed = {location: tables.get(location, SourceSettings(location)) for location in given or tables}
        readers: dict[object, SourceReader] = {
            (table, arguments.format, options): self._reader(table, arguments.format, options, policy)
            for table in listed.values()
        }
        # Sources on the command line replace all sources and mappings of the settings file.
        if file.settings.mapping and not given:
            readers[(INLINE, options)] = self._inline_reader(file, options, policy)
        if environment.is_set():
            known = self._readers.get((environment, options))
            source = environment.EnvironmentSource()
            readers[(environment, options)] = known or SourceReader(source, (), AUTO, options, policy)
        for part in self._parts.sources if self._parts else ():
            known = self._readers.get((part, options))
            readers[(part, options)] = known or SourceReader(part, (), AUTO, options, policy)
        if not readers:
            raise UsageError("no list given: name a file such as ports.csv, a URL, or '-' for standard input")
        for reader in readers.values():
            reader.set_policy(policy)
        self._readers = readers
        return list(readers.values())

    def _reader(
        self, table: SourceSettings, chosen: str, options: FormatOptions, policy: Policy
    ) -> SourceReader:
        known = self._readers.get((table, chosen, options))
        return known or open_source(
            table.location,
            self._plugins.sources,
            self._plugins.formats,
            table.format or chosen,
            options,
            policy,
            table.limits,
            FetchOptions(table.headers_file, Path(table.ca_file) if table.ca_file else None),
        )

    def _inline_reader(self, file: SettingsFile, options: FormatOptions, policy: Policy) -> SourceReader:
        if self._inline is None:
            from portmapper.sources.inline import InlineSource  # few settings files have mappings

            self._inline = InlineSource(str(file.path), file.settings.mapping)
        self._inline.tables = file.settings.mapping
        known = self._readers.get((INLINE, options))
        return known or SourceReader(self._inline, (), AUTO, options, policy)

    def _make_observers(self, file: SettingsFile) -> list[Observer]:
        made = {}
        for kind in self._plugins.observers(file.plugin_tables):
            table = table_of(kind, file)
            old = self._observers.get(kind.name)
            unchanged = old is not None and old[0] == table
            made[kind.name] = old if old and unchanged else (table, _from_table(kind, table, file))
        self._observers = made
        return [observer for _, observer in made.values() if observer is not None]


def policy_of(arguments: argparse.Namespace) -> Policy:
    """Return the policy of the settings file."""
    return Policy(tuple(rule.rule for rule in arguments.settings_file.settings.policy))


def probe_of(file: SettingsFile) -> ProbeSettings:
    """Return the settings of the probe; a relative path is relative to the file's directory."""
    probe = file.settings.probe
    if file.path is None:
        return probe
    names = (probe.token_file, probe.ca_file)
    token_file, ca_file = (_absolute(name, file.path.parent) for name in names)
    return attrs.evolve(probe, token_file=token_file, ca_file=ca_file)


def observers_of(plugins: Plugins, file: SettingsFile) -> list[Observer]:
    """Create the observers that the settings file configures.

    Raises:
        SettingError: a key in an observer's table is invalid.
    """
    made = [_from_table(kind, table_of(kind, file), file) for kind in plugins.observers(file.plugin_tables)]
    return [observer for observer in made if observer is not None]


def table_of(kind: type[Observer], file: SettingsFile) -> object:
    """Return the observer's table in the settings file, None without one."""
    return file.plugin_tables.get(kind.table) if kind.table else None


def _tables_by_location(file: SettingsFile, kinds: Sequence[type[Source]]) -> dict[str, SourceSettings]:
    """Return the sources in the settings file; a relative path is relative to the file's directory."""
    if file.path is None:
        return {}
    directory, settings = file.path.parent, file.settings
    tables = [*(SourceSettings(location) for location in settings.sources), *settings.source]
    absolute = [
        attrs.evolve(
            table,
            location=_absolute(table.location, directory)
            if is_path(table.location, kinds)
            else table.location,
            headers_file=_absolute(table.headers_file, directory),
            ca_file=_absolute(table.ca_file, directory),
        )
        for table in tables
    ]
    return {table.location: table for table in absolute}


def _absolute(path: str, directory: Path) -> str:
    if not path or path.startswith("env:"):
        return path
    return str(directory / Path(path).expanduser())


def _from_table(kind: type[Observer], table: object, file: SettingsFile) -> Observer | None:
    try:
        return kind.from_table(table)
    except SettingError as error:
        raise file.located(error) from None
    except Exception as error:
        # A faulty plugin must not stop the run. The log and `status` report the fault.
        record_fault(f"observer:{kind.name}", error)
        return None
