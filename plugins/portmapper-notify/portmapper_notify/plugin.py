"""Entry point of the plugin. Imports the observer only when the hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Observer


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register the observer `notify`."""
    from portmapper_notify.observer import NotifyObserver

    return [NotifyObserver]
