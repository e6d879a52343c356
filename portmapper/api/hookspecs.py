"""The hooks that a plugin may implement.

Hooks are synchronous and declarative: each returns classes, and instances of these classes do the work.
pluggy does not support coroutines, and a hook that does I/O would block every other plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from portmapper.api.backend import Backend
    from portmapper.api.command import Command
    from portmapper.api.events import Observer
    from portmapper.api.guard import Guard
    from portmapper.api.quirks import Quirk
    from portmapper.api.source import Format, Source
    from portmapper.api.tokens import TokenSource
    from portmapper.api.web import WebPages

PROJECT = "portmapper"

PLUGIN_API = "2.0"
"""Version of the hooks and interfaces. The major number changes if plugins may need changes, the minor number
if something is added. A plugin declares its version as `portmapper_api` in the module of its entry point.
"""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def portmapper_register_backends() -> list[type[Backend]]:  # type: ignore[empty-body]
    """Return the backends that this plugin provides."""


@hookspec
def portmapper_register_sources() -> list[type[Source]]:  # type: ignore[empty-body]
    """Return the sources that this plugin provides."""


@hookspec
def portmapper_register_formats() -> list[type[Format]]:  # type: ignore[empty-body]
    """Return the formats that this plugin provides."""


@hookspec
def portmapper_register_observers() -> list[type[Observer]]:  # type: ignore[empty-body]
    """Return the observers that this plugin provides."""


@hookspec
def portmapper_register_commands() -> list[type[Command]]:  # type: ignore[empty-body]
    """Return the commands that this plugin adds to the command line."""


@hookspec
def portmapper_register_quirks() -> list[type[Quirk]]:  # type: ignore[empty-body]
    """Return the quirks of devices that this plugin knows."""


@hookspec
def portmapper_register_web() -> list[type[WebPages]]:  # type: ignore[empty-body]
    """Return the pages that this plugin adds to the web interface. Called only if the listener is on."""


@hookspec
def portmapper_register_guards() -> list[type[Guard]]:  # type: ignore[empty-body]
    """Return the guards that this plugin provides, which decide which of several daemons may act."""


@hookspec
def portmapper_register_tokens() -> list[type[TokenSource]]:  # type: ignore[empty-body]
    """Return the sources of tokens (PCP's nonces) that this plugin provides."""
