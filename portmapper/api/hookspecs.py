"""The hooks a plugin may implement.

They are synchronous and declarative: each returns classes, and the work is done by their objects.
pluggy knows no coroutines, and a hook that did input or output would hold up every other plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from portmapper.api.backend import Backend
    from portmapper.api.command import Command
    from portmapper.api.events import Observer
    from portmapper.api.source import Format, Source

PROJECT = "portmapper"

PLUGIN_API = "1.0"
"""Version of the hooks and interfaces. The first number changes when a plugin may have to, the second when
something is added. A plugin names the one it was built for as `portmapper_api` in its entry point's module.
"""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def portmapper_register_backends() -> list[type[Backend]]:  # type: ignore[empty-body]
    """Return the port mapping protocols that this plugin speaks."""


@hookspec
def portmapper_register_sources() -> list[type[Source]]:  # type: ignore[empty-body]
    """Return the kinds of source that this plugin reads."""


@hookspec
def portmapper_register_formats() -> list[type[Format]]:  # type: ignore[empty-body]
    """Return the document formats that this plugin parses."""


@hookspec
def portmapper_register_observers() -> list[type[Observer]]:  # type: ignore[empty-body]
    """Return the observers that this plugin brings."""


@hookspec
def portmapper_register_commands() -> list[type[Command]]:  # type: ignore[empty-body]
    """Return the commands that this plugin adds to the command line."""
