"""The kinds of classes that plugins provide, and the hook that registers each."""

from __future__ import annotations

from portmapper.api.errors import PluginFault

HOOK_PREFIX = "portmapper_register_"
KINDS = ("backend", "source", "format", "observer", "command", "quirk", "guard", "token", "web")

LAZY = ("command", "web")
"""Kinds whose hooks are called on first use, because most runs never use them."""

REQUIRED = {
    "backend": ("rank", "families", "discover", "close"),
    "source": ("fetch_limit", "claims", "fetch", "watch", "close"),
    "format": ("suffixes", "content_types", "parse"),
    "observer": ("table", "end_limit", "from_table", "start", "observe", "close"),
    "command": ("help", "add_arguments", "run"),
    "quirk": ("applies_to", "coupling", "after", "repair"),
    "guard": ("release_margin", "run", "may_act", "leader", "wait_until_leading", "close"),
    "token": ("token",),
    "web": ("routes", "panel", "login_page"),
}
"""Attributes that a class must have besides its name. Subclasses of the interface inherit most of them."""


def hook_of(kind: str) -> str:
    """Return the name of the hook that registers a kind."""
    return f"{HOOK_PREFIX}{kind}" if kind == "web" else f"{HOOK_PREFIX}{kind}s"


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
