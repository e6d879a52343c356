"""Finds plugins and asks them what they bring. One broken plugin never stops the rest."""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import os
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import pluggy

from portmapper.api import hookspecs
from portmapper.api.errors import PluginFault, UsageError, quoted

if TYPE_CHECKING:
    from portmapper.api.backend import Backend
    from portmapper.api.command import Command
    from portmapper.api.events import Observer
    from portmapper.api.source import Format, Source

KINDS = ("backend", "source", "format", "observer", "command")

REQUIRED = {
    "backend": ("rank", "families", "discover", "close"),
    "source": ("fetch_limit", "claims", "fetch", "watch", "close"),
    "format": ("suffixes", "content_types", "parse"),
    "observer": ("table", "end_limit", "configured", "start", "observe", "close"),
    "command": ("help", "add_arguments", "run"),
}
"""What the core uses of a class beside its name. Whoever inherits from the interface has most of it."""


@attrs.frozen
class PluginReport:
    """What became of one entry point.

    Attributes:
        name: the entry point's name.
        version: of its distribution.
        distribution: that installed it.
        state: `loaded`, `disabled` or `failed`.
        provides: `kind:name` of all it registered.
        error: why it failed, None otherwise.
    """

    name: str
    version: str
    distribution: str
    state: str
    provides: tuple[str, ...] = ()
    error: str | None = None


class Plugins:
    """All that the loaded plugins registered, by kind and in order: ours first, strangers' later."""

    def __init__(self) -> None:
        self._hooks = pluggy.PluginManager(hookspecs.PROJECT)
        self._hooks.add_hookspecs(hookspecs)
        if os.environ.get("PORTMAPPER_TRACE_PLUGINS", "") not in ("", "0"):
            _trace(self._hooks)
        self._registered: dict[str, list[type[Any]]] = {kind: [] for kind in KINDS}
        self.reports: list[PluginReport] = []

    @property
    def backends(self) -> Sequence[type[Backend]]:
        """Backends, best rank first."""
        return sorted(self._registered["backend"], key=lambda backend: backend.rank)

    @property
    def sources(self) -> Sequence[type[Source]]:
        """Kinds of source, the one that claims every plain path last."""
        return sorted(self._registered["source"], key=lambda source: source.name == "file")

    @property
    def formats(self) -> Sequence[type[Format]]:
        """Document formats."""
        return self._registered["format"]

    @property
    def observers(self) -> Sequence[type[Observer]]:
        """Observers."""
        return self._registered["observer"]

    @property
    def commands(self) -> Sequence[type[Command]]:
        """Commands that plugins add."""
        return self._registered["command"]

    def choose_backends(self, names: Sequence[str]) -> Sequence[type[Backend]]:
        """Return the backends of these names in this order; all of them, by rank, for no names.

        Raises:
            UsageError: a name that no plugin registered.
        """
        known = {backend.name: backend for backend in self.backends}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UsageError(f"no backend named {unknown[0]!r}; there are: {', '.join(known)}")
        return [known[name] for name in dict.fromkeys(names)] if names else self.backends

    def load(self, entry_point: importlib.metadata.EntryPoint) -> None:
        """Load one plugin; whatever goes wrong with it is written down and stays its own."""
        name, version = _distribution(entry_point)
        report = PluginReport(entry_point.name, version, name, state="loaded")
        try:
            plugin = entry_point.load()
            check_api(plugin)
            provides = self.register(plugin, entry_point.name)
        except PluginFault as error:
            self.reports.append(attrs.evolve(report, state="failed", error=str(error)))
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            self.reports.append(attrs.evolve(report, state="failed", error=reason))
        else:
            self.reports.append(attrs.evolve(report, provides=provides))

    def register(self, plugin: object, name: str) -> tuple[str, ...]:
        """Take in one plugin object and return what it provides, as `kind:name`.

        Raises:
            Exception: whatever the plugin raises; nothing of it stays registered.
        """
        self._hooks.register(plugin, name)
        try:
            self._hooks.check_pending()
            found = self._ask(plugin)
        except BaseException:
            self._hooks.unregister(plugin)
            raise
        for kind, classes in found.items():
            self._registered[kind].extend(classes)
        return tuple(f"{kind}:{cls.name}" for kind, classes in found.items() for cls in classes)

    def _ask(self, plugin: object) -> dict[str, list[type[Any]]]:
        others = [other for other in self._hooks.get_plugins() if other is not plugin]
        found: dict[str, list[type[Any]]] = {}
        for kind in KINDS:
            hook = self._hooks.subset_hook_caller(f"portmapper_register_{kind}s", others)
            classes = [cls for result in hook() for cls in result]
            for number, cls in enumerate(classes):
                _check_name(kind, cls, [*self._registered[kind], *classes[:number]])
                _check_interface(kind, cls)
            found[kind] = classes
        return found


def check_api(plugin: object) -> None:
    """Refuse a plugin that was built for another plugin API; one that does not say is taken at its hooks.

    Raises:
        PluginFault: it was, or what it says is no version.
    """
    built_for = getattr(plugin, "portmapper_api", None)
    if built_for is None:
        return
    match = re.fullmatch(r"(\d{1,4})(?:\.(\d{1,4}))?", built_for) if isinstance(built_for, str) else None
    if match is None:
        raise PluginFault(
            f"portmapper_api is {quoted(built_for)}, not a version such as '{hookspecs.PLUGIN_API}'"
        )
    major, minor = (int(part) for part in hookspecs.PLUGIN_API.split("."))
    if int(match[1]) != major or int(match[2] or 0) > minor:
        advice = (
            "upgrade portmapperd" if (int(match[1]), int(match[2] or 0)) > (major, minor) else "upgrade it"
        )
        raise PluginFault(f"built for plugin API {built_for}, this is {hookspecs.PLUGIN_API}: {advice}")


def _trace(hooks: pluggy.PluginManager) -> None:
    """Log every hook call and what it brought, whatever the log's level."""
    log = logging.getLogger("portmapper.hooks")
    log.setLevel(logging.DEBUG)
    if not log.handlers and not logging.getLogger().handlers:
        log.addHandler(logging.StreamHandler())  # commands that keep no log have standard error
        log.propagate = False

    def before(name: str, methods: Sequence[Any], _: Any) -> None:
        for method in methods:
            log.debug("calling %s of %s", name, method.plugin_name)

    def after(outcome: Any, name: str, methods: Sequence[Any], _: Any) -> None:
        if methods:
            log.debug("%s brought %s", name, quoted(outcome.exception or outcome.get_result()))

    hooks.add_hookcall_monitoring(before, after)


def _check_name(kind: str, cls: type[Any], taken: Iterable[type[Any]]) -> None:
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not name:
        raise TypeError(f"{kind} {cls!r} has no name")
    if any(other.name == name for other in taken):
        raise ValueError(f"another plugin already provides {kind}:{name}")


def _check_interface(kind: str, cls: type[Any]) -> None:
    """Refuse a class that would fail when it is first used, or take the others with it."""
    unwritten: frozenset[str] = getattr(cls, "__abstractmethods__", frozenset())
    missing = [name for name in REQUIRED[kind] if name in unwritten or not hasattr(cls, name)]
    if missing:
        raise PluginFault(f"{kind}:{cls.name} has no {', '.join(missing)}")
    if kind == "backend" and not isinstance(cls.rank, int):
        raise PluginFault(f"{kind}:{cls.name} has the rank {quoted(cls.rank)}, not a whole number")


def load_plugins(disabled: Iterable[str] = ()) -> Plugins:
    """Load every entry point of the group `portmapper`: our own distribution's first, then by name.

    `disabled` and the environment's `PORTMAPPER_DISABLE_PLUGINS` (names, comma separated) are left out.
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


def _entry_points() -> Iterable[importlib.metadata.EntryPoint]:
    return importlib.metadata.entry_points(group=hookspecs.PROJECT)


def _ours_first(entry_point: importlib.metadata.EntryPoint) -> tuple[bool, str]:
    return (_distribution(entry_point)[0] != "portmapperd", entry_point.name)


def _distribution(entry_point: importlib.metadata.EntryPoint) -> tuple[str, str]:
    """Return name and version of what installed it, empty where nothing did."""
    return _name_and_version(entry_point.dist) if entry_point.dist else ("", "")


@functools.cache
def _name_and_version(distribution: importlib.metadata.Distribution) -> tuple[str, str]:
    # Kept, because each question for one of them parses the whole README again.
    return distribution.name, distribution.version
