"""What a run is made of, by its options and its settings file: sources, observers and policy."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from portmapper.api.errors import SettingError, UsageError
from portmapper.cli.defaults import settle
from portmapper.cli.options import format_options
from portmapper.daemon.reloadable import Reloadable
from portmapper.pluginhost.faults import blame
from portmapper.sources.inline import InlineSource
from portmapper.sources.policy import Policy
from portmapper.sources.reader import AUTO, SourceReader, open_source

if TYPE_CHECKING:
    from portmapper.api.events import Observer
    from portmapper.api.source import FormatOptions
    from portmapper.config.loader import SettingsFile
    from portmapper.pluginhost.manager import Plugins

AT_START = (
    *("interval", "conflict", "close_ports_on_exit", "gateway", "backend", "state_dir", "pid_file"),
    *("disable_plugins", "log"),
)
"""Settings that count when the program starts; a reload leaves them as they are."""

_log = logging.getLogger(__name__)


class RunConfig:
    """Makes a run's setup, and makes it anew on reload; what did not change stays the same object.

    Attributes:
        setup: as the settings file was last read.
    """

    def __init__(self, arguments: argparse.Namespace, plugins: Plugins, *, observed: bool = True) -> None:
        """Make the setup; nothing is read but the settings file.

        Args:
            arguments: as `settle` left them.
            plugins: what is loaded.
            observed: make observers, too.

        Raises:
            UsageError: there is no source, or one that nobody reads; or a setting is wrong.
        """
        self._given = arguments.given
        self._file: SettingsFile = arguments.settings_file
        self._plugins = plugins
        self._observed = observed
        self._readers: dict[object, SourceReader] = {}
        self._inline: InlineSource | None = None
        self._observers: dict[str, tuple[Any, Observer | None]] = {}
        self.setup = self._make(arguments)

    def reset(self) -> Reloadable:
        """Read the settings file again, and make the setup anew.

        Raises:
            UsageError: as at start; the setup stays as it was.
        """
        arguments = argparse.Namespace(**vars(self._given))
        settle(arguments)
        setup = self._make(arguments)
        before, now = self._file.settings, arguments.settings_file.settings
        later = [name for name in AT_START if getattr(before, name) != getattr(now, name)]
        if later:
            _log.warning("settings that count from the next start on have changed: %s", ", ".join(later))
        self._file = arguments.settings_file
        self.setup = setup
        return setup

    def _make(self, arguments: argparse.Namespace) -> Reloadable:
        file: SettingsFile = arguments.settings_file
        policy = policy_of(arguments)
        observers = self._make_observers(file) if self._observed else ()
        return Reloadable(self._make_readers(arguments, file, policy), observers, policy)

    def _make_readers(
        self, arguments: argparse.Namespace, file: SettingsFile, policy: Policy
    ) -> list[SourceReader]:
        options = format_options(arguments)
        given = [*arguments.source, *arguments.file]
        readers: dict[object, SourceReader] = {
            (location, arguments.format, options): self._reader(location, arguments.format, options, policy)
            for location in dict.fromkeys(given or _listed(file))
        }
        # What the command line names takes the place of all that the file lists.
        if file.settings.mapping and not given:
            readers[(InlineSource, options)] = self._inline_reader(file, options, policy)
        if not readers:
            raise UsageError("no SOURCE given: name a file, '-' for standard input, or a URL")
        for reader in readers.values():
            reader.apply(policy)
        self._readers = readers
        return list(readers.values())

    def _reader(self, location: str, chosen: str, options: FormatOptions, policy: Policy) -> SourceReader:
        known = self._readers.get((location, chosen, options))
        sources, formats = self._plugins.sources, self._plugins.formats
        return known or open_source(location, sources, formats, chosen, options, policy)

    def _inline_reader(self, file: SettingsFile, options: FormatOptions, policy: Policy) -> SourceReader:
        if self._inline is None:
            self._inline = InlineSource(str(file.path), file.settings.mapping)
        self._inline.tables = file.settings.mapping
        known = self._readers.get((InlineSource, options))
        return known or SourceReader(self._inline, (), AUTO, options, policy)

    def _make_observers(self, file: SettingsFile) -> list[Observer]:
        made = {}
        for kind in self._plugins.observers:
            part = part_of(kind, file)
            before = self._observers.get(kind.name)
            known = before is not None and before[0] == part
            made[kind.name] = before if before and known else (part, _configured(kind, part, file))
        self._observers = made
        return [observer for _, observer in made.values() if observer is not None]


def policy_of(arguments: argparse.Namespace) -> Policy:
    """Return what the settings file lets anybody open."""
    return Policy(tuple(rule.rule for rule in arguments.settings_file.settings.policy))


def observers_of(plugins: Plugins, file: SettingsFile) -> list[Observer]:
    """Make every observer by its part of the settings file.

    Raises:
        SettingError: a key of it is wrong.
    """
    made = [_configured(kind, part_of(kind, file), file) for kind in plugins.observers]
    return [observer for observer in made if observer is not None]


def part_of(kind: type[Observer], file: SettingsFile) -> object:
    """Return what the file has for an observer, None when it has nothing."""
    return file.others.get(kind.table) if kind.table else None


def _listed(file: SettingsFile) -> Sequence[str]:
    """Return the file's sources; a relative path is relative to the file."""
    from pathlib import Path

    if file.path is None:
        return ()
    return [
        source if "://" in source or source == "-" else str(file.path.parent / Path(source).expanduser())
        for source in file.settings.sources
    ]


def _configured(kind: type[Observer], part: object, file: SettingsFile) -> Observer | None:
    try:
        return kind.configured(part)
    except SettingError as error:
        raise file.located(error) from None
    except Exception as error:
        # One broken plugin stops nothing; its fault is in the log and in `status`.
        blame(f"observer:{kind.name}", error)
        return None
