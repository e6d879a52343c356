"""Finds and loads plugins. A plugin that fails never affects the others."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import pluggy

from portmapper.api import hookspecs
from portmapper.api.errors import PluginFault, SettingError, UsageError
from portmapper.pluginhost.checks import (
    check_api_version,
    check_hooks,
    check_interface,
    check_name,
    lazy_kinds_of,
    tables_of,
)
from portmapper.pluginhost.faults import record_fault
from portmapper.pluginhost.installed import Loadable, installed_plugins
from portmapper.pluginhost.kinds import KINDS, hook_of
from portmapper.pluginhost.settings import SETTINGS, has_settings, with_settings
from portmapper.support.reasons import plain_reason
from portmapper.support.values import frozen

if TYPE_CHECKING:
    from portmapper.api.backend import Backend
    from portmapper.api.command import Command
    from portmapper.api.events import Observer
    from portmapper.api.guard import Guard
    from portmapper.api.quirks import Quirk
    from portmapper.api.source import Format, Source
    from portmapper.api.tokens import TokenSource
    from portmapper.api.web import WebPages


@frozen
class PluginReport:
    """Result of loading one entry point.

    Attributes:
        name: the entry point's name.
        version: version of its distribution.
        distribution: name of its distribution.
        state: `loaded`, `disabled` or `failed`.
        provides: `kind:name` of each class that it registered.
        error: why it failed, None otherwise.
    """

    name: str
    version: str
    distribution: str
    state: str
    provides: tuple[str, ...] = ()
    error: str | None = None


class Plugins:
    """Registered classes of all loaded plugins by kind: standard plugins first, then third-party ones."""

    def __init__(self) -> None:
        self._hooks = pluggy.PluginManager(hookspecs.PROJECT)
        self._hooks.add_hookspecs(hookspecs)
        if os.environ.get("PORTMAPPER_TRACE_PLUGINS", "") not in ("", "0"):
            from portmapper.pluginhost.trace import trace_hooks  # for authors of plugins

            trace_hooks(self._hooks)
        self._registered: dict[str, list[type[Any]]] = {kind: [] for kind in KINDS}
        self._settings: list[tuple[str, type[Any]]] = []
        self._incomplete: dict[str, dict[str, object]] = {kind: {} for kind in KINDS}
        self.reports: list[PluginReport] = []

    @property
    def backends(self) -> Sequence[type[Backend]]:
        """Backends, best rank first."""
        return sorted(self._registered["backend"], key=lambda backend: backend.rank)

    @property
    def sources(self) -> Sequence[type[Source]]:
        """Sources. `file` is last, because it claims every plain path."""
        return sorted(self._registered["source"], key=lambda source: source.name == "file")

    @property
    def formats(self) -> Sequence[type[Format]]:
        """Formats."""
        return self._registered["format"]

    @property
    def tables(self) -> Sequence[str]:
        """Tables of the settings file that belong to observers."""
        waiting = [table for plugin in self._incomplete["observer"].values() for table in tables_of(plugin)]
        return [*waiting, *(kind.table for kind in self._registered["observer"] if kind.table)]

    def observers(self, tables: Container[str]) -> Sequence[type[Observer]]:
        """Return the observers; those that need a table are imported only if these tables include it."""
        waiting = self._incomplete["observer"].items()
        used = [name for name, plugin in waiting if any(table in tables for table in tables_of(plugin))]
        self._complete("observer", used)
        return self._registered["observer"]

    @property
    def commands(self) -> Sequence[type[Command]]:
        """Commands of plugins; their modules are imported now."""
        self._complete("command")
        return self._registered["command"]

    @property
    def quirks(self) -> Sequence[type[Quirk]]:
        """Quirks of devices."""
        return self._registered["quirk"]

    @property
    def guards(self) -> Sequence[type[Guard]]:
        """Guards, by the scheme of `--lead-with`."""
        return self._registered["guard"]

    @property
    def tokens(self) -> Sequence[type[TokenSource]]:
        """Sources of tokens, in the order in which they are asked."""
        return self._registered["token"]

    @property
    def web(self) -> Sequence[type[WebPages]]:
        """Pages of the web interface; their modules are imported now."""
        self._complete("web")
        return self._registered["web"]

    def complete(self) -> None:
        """Call the hooks that were not called yet, so that `reports` shows everything."""
        for kind in KINDS:
            self._complete(kind)

    def _complete(self, kind: str, names: Iterable[str] | None = None) -> None:
        waiting = self._incomplete[kind]
        for name in list(waiting) if names is None else names:
            plugin = waiting.pop(name)
            try:
                provides = self._add(name, self._call_hooks(plugin, (kind,)))
            except (Exception, SystemExit) as error:
                self._report(name, state="failed", error=str(record_fault(f"plugin:{name}", error)))
            else:
                self._report(name, provides=provides)

    def _report(self, name: str, provides: tuple[str, ...] = (), **changes: Any) -> None:
        self.reports = [
            attrs.evolve(report, provides=(*report.provides, *provides), **changes)
            if report.name == name and report.state == "loaded"
            else report
            for report in self.reports
        ]

    def choose_backends(self, names: Sequence[str]) -> Sequence[type[Backend]]:
        """Return the backends with these names in this order; without names, all backends by rank.

        Raises:
            UsageError: no backend has one of the names.
        """
        known = {backend.name: backend for backend in self.backends}
        unknown = [name for name in names if name not in known]
        if unknown and not self.reports:
            raise UsageError(
                "no plugin found: portmapper cannot read its own installation. Check the permissions of its "
                "files, or install it again"
            )
        if unknown:
            raise UsageError(f"no backend named {unknown[0]!r}; known: {', '.join(known)}")
        return [known[name] for name in dict.fromkeys(names)] if names else self.backends

    def check_settings(self) -> None:
        """Check the tables `[plugin.NAME]` and the environment against the classes of the plugins.

        A plugin that is not configured is not checked: if it needs a key, only this plugin is not used.

        Raises:
            SettingError: a table belongs to no plugin, or a key is invalid.
        """
        SETTINGS.check_names(tuple(report.name for report in self.reports))
        for kind, waiting in self._incomplete.items():
            if any(map(SETTINGS.mentions, waiting)):
                self._complete(kind)
        for name, settings in self._settings:
            if SETTINGS.given(name, settings):
                SETTINGS.of(name, settings)
        SETTINGS.report_unknown_variables(self._settings)
        without = {report.name for report in self.reports if report.state == "loaded"}
        for name in without.difference(name for name, _ in self._settings) & SETTINGS.tables.keys():
            raise SettingError(("plugin", name), "this plugin has no settings")

    def load(self, entry_point: Loadable) -> None:
        """Load one plugin and report the result; a failure affects only this plugin."""
        name, version = _distribution(entry_point)
        report = PluginReport(entry_point.name, version, name, state="loaded")
        try:
            plugin = entry_point.load()
            check_api_version(plugin)
            provides = self.register(plugin, entry_point.name)
        except PluginFault as error:
            self.reports.append(attrs.evolve(report, state="failed", error=str(error)))
        except (Exception, SystemExit) as error:
            self.reports.append(attrs.evolve(report, state="failed", error=plain_reason(error)))
        else:
            self.reports.append(attrs.evolve(report, provides=provides))

    def register(self, plugin: object, name: str) -> tuple[str, ...]:
        """Register one plugin object and return what it provides, as `kind:name`.

        Raises:
            Exception: any exception of the plugin; then none of its classes is registered.
        """
        self._hooks.register(plugin, name)
        try:
            self._hooks.check_pending()
            check_hooks(plugin, self._hooks.get_hookcallers(plugin))
            later = lazy_kinds_of(plugin)
            found = self._call_hooks(plugin, [kind for kind in KINDS if kind not in later])
        except BaseException:
            self._hooks.unregister(plugin)
            raise
        for kind in later:
            self._incomplete[kind][name] = plugin
        return self._add(name, found)

    def _add(self, name: str, found: Mapping[str, list[type[Any]]]) -> tuple[str, ...]:
        for kind, classes in found.items():
            self._registered[kind].extend(with_settings(name, cls) for cls in classes)
            self._settings += [(name, cls.settings) for cls in classes if has_settings(cls)]
        return tuple(f"{kind}:{cls.name}" for kind, classes in found.items() for cls in classes)

    def _call_hooks(self, plugin: object, kinds: Sequence[str]) -> dict[str, list[type[Any]]]:
        others = [other for other in self._hooks.get_plugins() if other is not plugin]
        found: dict[str, list[type[Any]]] = {}
        for kind in kinds:
            hook = self._hooks.subset_hook_caller(hook_of(kind), others)
            classes = [cls for result in hook() for cls in result]
            for number, cls in enumerate(classes):
                check_name(kind, cls, [*self._registered[kind], *classes[:number]])
                check_interface(kind, cls)
            found[kind] = classes
        return found


def load_plugins(disabled: Iterable[str] = ()) -> Plugins:
    """Load every entry point of the group `portmapper`: those of portmapperd first, then by name.

    Skip the names in `disabled` and in the variable `PORTMAPPER_DISABLE_PLUGINS` (comma-separated).
    """
    plugins = Plugins()
    off = {*disabled, *os.environ.get("PORTMAPPER_DISABLE_PLUGINS", "").split(",")}
    for entry_point in sorted(_entry_points(), key=_ours_first):
        if entry_point.name in off:
            name, version = _distribution(entry_point)
            plugins.reports.append(PluginReport(entry_point.name, version, name, state="disabled"))
        else:
            plugins.load(entry_point)
    return plugins


def _entry_points() -> Iterable[Loadable]:
    return installed_plugins(hookspecs.PROJECT)


def _ours_first(entry_point: Loadable) -> tuple[bool, str]:
    return (_distribution(entry_point)[0] != "portmapperd", entry_point.name)


def _distribution(entry_point: Loadable) -> tuple[str, str]:
    """Return name and version of the distribution, empty if there is none."""
    return (entry_point.dist.name, entry_point.dist.version) if entry_point.dist else ("", "")
