"""Contracts and test doubles, for tests of plugins and of the core.

A contract is a class of tests. Inherit from it, override its fixture `subject`, and pytest runs its tests.
The doubles are a gateway in memory, a fake clock, and a harness that runs the scheduler with both. Modules
are imported on first use, because pytest loads this package's fixtures in every project that has portmapper
installed.
"""

from __future__ import annotations

from portmapper.support.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portmapper.testing.backend_contract import BackendContract
    from portmapper.testing.clock import FakeClock
    from portmapper.testing.command_contract import CommandContract
    from portmapper.testing.fake_backend import FakeBackend
    from portmapper.testing.fake_device import FakeDevice
    from portmapper.testing.fake_view import FakeView
    from portmapper.testing.format_contract import FormatContract, mappings_of
    from portmapper.testing.guard_contract import GuardContract
    from portmapper.testing.harness import Harness, scheduled
    from portmapper.testing.observer_contract import ObserverContract
    from portmapper.testing.quirk_contract import QuirkContract
    from portmapper.testing.simulator import embedded_gateway
    from portmapper.testing.source_contract import SourceContract
    from portmapper.testing.subjects import (
        BackendSubject,
        CommandSubject,
        FormatSubject,
        GuardSubject,
        ObserverSubject,
        QuirkSubject,
        SourceSubject,
        TokenSubject,
        WebSubject,
    )
    from portmapper.testing.token_contract import TokenContract
    from portmapper.testing.web_contract import WebContract

__all__ = [
    "BackendContract",
    "BackendSubject",
    "CommandContract",
    "CommandSubject",
    "FakeBackend",
    "FakeClock",
    "FakeDevice",
    "FakeView",
    "FormatContract",
    "FormatSubject",
    "GuardContract",
    "GuardSubject",
    "Harness",
    "ObserverContract",
    "ObserverSubject",
    "QuirkContract",
    "QuirkSubject",
    "SourceContract",
    "SourceSubject",
    "TokenContract",
    "TokenSubject",
    "WebContract",
    "WebSubject",
    "embedded_gateway",
    "mappings_of",
    "scheduled",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "backend_contract": ("BackendContract",),
        "clock": ("FakeClock",),
        "command_contract": ("CommandContract",),
        "fake_backend": ("FakeBackend",),
        "fake_device": ("FakeDevice",),
        "fake_view": ("FakeView",),
        "format_contract": (
            "FormatContract",
            "mappings_of",
        ),
        "guard_contract": ("GuardContract",),
        "harness": (
            "Harness",
            "scheduled",
        ),
        "observer_contract": ("ObserverContract",),
        "quirk_contract": ("QuirkContract",),
        "simulator": ("embedded_gateway",),
        "source_contract": ("SourceContract",),
        "subjects": (
            "BackendSubject",
            "CommandSubject",
            "FormatSubject",
            "GuardSubject",
            "ObserverSubject",
            "QuirkSubject",
            "SourceSubject",
            "TokenSubject",
            "WebSubject",
        ),
        "token_contract": ("TokenContract",),
        "web_contract": ("WebContract",),
    },
)
