"""What tests of a plugin, and of the core, need: contracts, gateways that do as told, a clock turned by hand.

A contract is a class of tests. Inherit from it, give it one fixture, `subject`, and pytest runs them all.
Nothing is imported before it is used: pytest loads this package's fixtures in every project that has
portmapper installed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portmapper.testing.backend_contract import BackendContract
    from portmapper.testing.clock import FakeClock
    from portmapper.testing.command_contract import CommandContract
    from portmapper.testing.devices import FakeDevice
    from portmapper.testing.embedded import embedded_gateway
    from portmapper.testing.format_contract import FormatContract
    from portmapper.testing.gateways import FakeBackend
    from portmapper.testing.observer_contract import ObserverContract
    from portmapper.testing.source_contract import SourceContract
    from portmapper.testing.subjects import (
        BackendSubject,
        CommandSubject,
        FormatSubject,
        ObserverSubject,
        SourceSubject,
    )
    from portmapper.testing.world import World, scheduled

__all__ = [
    "BackendContract",
    "BackendSubject",
    "CommandContract",
    "CommandSubject",
    "FakeBackend",
    "FakeClock",
    "FakeDevice",
    "FormatContract",
    "FormatSubject",
    "ObserverContract",
    "ObserverSubject",
    "SourceContract",
    "SourceSubject",
    "World",
    "embedded_gateway",
    "scheduled",
]

_PLACES = {
    "BackendContract": "backend_contract",
    "CommandContract": "command_contract",
    "FakeBackend": "gateways",
    "FakeClock": "clock",
    "FakeDevice": "devices",
    "FormatContract": "format_contract",
    "ObserverContract": "observer_contract",
    "SourceContract": "source_contract",
    "World": "world",
    "embedded_gateway": "embedded",
    "scheduled": "world",
}


def __getattr__(name: str) -> object:
    """Import what is asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'portmapper.testing' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f"portmapper.testing.{_PLACES.get(name, 'subjects')}")
    return getattr(module, name)
