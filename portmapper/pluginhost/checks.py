"""Rejects plugins that would fail on first use, with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from portmapper.api import hookspecs
from portmapper.api.errors import PluginFault, quoted
from portmapper.api.suggestions import nearest
from portmapper.pluginhost.kinds import HOOK_PREFIX, LAZY, REQUIRED, hook_of


def check_hooks(plugin: object, implemented: object) -> None:
    """Reject a plugin that implements no hook, or that misspells one."""
    known = tuple(name for name in vars(hookspecs) if name.startswith(HOOK_PREFIX))
    for name in dir(plugin):
        if name.startswith(HOOK_PREFIX) and name not in known and callable(getattr(plugin, name)):
            raise PluginFault(f"{name} is not a hook{nearest(name, known)}")
    if not implemented:
        raise PluginFault("it implements no hook: is @hookimpl missing?")


def check_api_version(plugin: object) -> None:
    """Reject a plugin that was built for another version of the plugin API. Accept it if it declares none.

    Raises:
        PluginFault: the version is incompatible or invalid.
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


def check_name(kind: str, cls: type[Any], taken: Iterable[type[Any]]) -> None:
    """Reject a class without a name, or with the name of another class of its kind."""
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not name:
        raise TypeError(f"{kind} {cls!r} has no name")
    if any(other.name == name for other in taken):
        raise ValueError(f"another plugin already provides {kind}:{name}")


def check_interface(kind: str, cls: type[Any]) -> None:
    """Reject a class that would fail on first use or break the others (`rank` sorts all backends)."""
    unwritten: frozenset[str] = getattr(cls, "__abstractmethods__", frozenset())
    missing = [name for name in REQUIRED[kind] if name in unwritten or not hasattr(cls, name)]
    if missing:
        raise PluginFault(f"{kind}:{cls.name} has no {', '.join(missing)}")
    if kind == "backend" and not isinstance(cls.rank, int):
        raise PluginFault(f"{kind}:{cls.name} has the rank {quoted(cls.rank)}, not a whole number")


def tables_of(plugin: object) -> tuple[str, ...]:
    """Return the tables of the settings file without which the plugin's observers do nothing."""
    tables = getattr(plugin, "portmapper_tables", ())
    if not isinstance(tables, tuple) or not all(isinstance(table, str) for table in tables):
        raise PluginFault("portmapper_tables is not a tuple of names of tables")
    return tables


def lazy_kinds_of(plugin: object) -> list[str]:
    """Return the kinds of a plugin whose hooks are called on first use."""
    lazy = (*LAZY, "observer") if tables_of(plugin) else LAZY
    return [kind for kind in lazy if hasattr(plugin, hook_of(kind))]
