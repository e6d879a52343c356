"""What this plugin registers. Nothing is imported before it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Observer


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register commands and webhooks."""
    from portmapper_hooks.command import CommandObserver
    from portmapper_hooks.webhook import WebhookObserver

    return [CommandObserver, WebhookObserver]
