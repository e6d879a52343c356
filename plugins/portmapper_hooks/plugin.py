"""Entry point of the plugin. Imports the observers only when the hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Observer


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register the observers `command`, `webhook` and `files`."""
    from portmapper_hooks.command import CommandObserver
    from portmapper_hooks.state_files import FilesObserver
    from portmapper_hooks.webhook import WebhookObserver

    return [CommandObserver, WebhookObserver, FilesObserver]
