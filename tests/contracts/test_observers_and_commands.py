"""Our own observers and commands keep the contracts."""

from __future__ import annotations

import sys

import pytest

from portmapper.api.events import EventKind
from portmapper.testing import CommandContract, CommandSubject, ObserverContract, ObserverSubject
from portmapper_hooks.command import CommandObserver
from portmapper_hooks.settings import HookSettings
from portmapper_metrics.prometheus import MetricsSettings, PrometheusObserver
from portmapper_simulator.simulate_command import SimulateCommand


class TestHookCommand(ObserverContract):
    """The observer that runs programs."""

    @pytest.fixture
    def subject(self) -> ObserverSubject:
        """Nobody asked for these kinds of event but for the rarest."""
        hook = HookSettings(on=(EventKind.EXTERNAL_ADDRESS_CHANGED,), run=(sys.executable, "-c", ""))
        return ObserverSubject(CommandObserver([hook]))


class TestPrometheus(ObserverContract):
    """The observer that counts."""

    @pytest.fixture
    def subject(self) -> ObserverSubject:
        """One without an address of its own."""
        return ObserverSubject(PrometheusObserver(MetricsSettings()))


class TestSimulate(CommandContract):
    """A command of the standard plugins."""

    @pytest.fixture
    def subject(self) -> CommandSubject:
        """It lists its profiles, and ends."""
        return CommandSubject(SimulateCommand(), ["--list"])
