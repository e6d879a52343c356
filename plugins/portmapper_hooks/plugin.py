"""Entry point of the plugin. It imports the observers only if the settings file has one of their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Observer

portmapper_tables = ("hook", "webhook", "files")


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register the observers `command`, `webhook` and `files`."""
    from portmapper_hooks.command import CommandObserver
    from portmapper_hooks.state_files import FilesObserver
    from portmapper_hooks.webhook import WebhookObserver

    return [CommandObserver, WebhookObserver, FilesObserver]
