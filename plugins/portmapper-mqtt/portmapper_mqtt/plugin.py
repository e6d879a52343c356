"""The entry point. It imports nothing of its own before a hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Observer


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register the broker."""
    from portmapper_mqtt.observer import MqttObserver

    return [MqttObserver]
