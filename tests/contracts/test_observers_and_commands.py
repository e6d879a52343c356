"""portmapper's own observers and commands pass the contracts."""

from __future__ import annotations

import sys

import pytest

from portmapper.api.events import EventKind
from portmapper.testing import CommandContract, CommandSubject, ObserverContract, ObserverSubject
from portmapper_hooks.command import CommandObserver
from portmapper_hooks.settings import HookSettings
from portmapper_metrics.prometheus import PrometheusObserver
from portmapper_metrics.settings import MetricsSettings
from portmapper_simulator.simulate_command import SimulateCommand


class TestHookCommand(ObserverContract):
    """The observer that runs programs."""

    @pytest.fixture
    def subject(self) -> ObserverSubject:
        """It runs a program for one kind of event only."""
        hook = HookSettings(on=(EventKind.EXTERNAL_ADDRESS_CHANGED,), run=(sys.executable, "-c", ""))
        return ObserverSubject(CommandObserver([hook]))


class TestPrometheus(ObserverContract):
    """The observer `prometheus`."""

    @pytest.fixture
    def subject(self) -> ObserverSubject:
        """It has no address to listen on."""
        return ObserverSubject(PrometheusObserver(MetricsSettings()))


class TestSimulate(CommandContract):
    """The command `simulate`."""

    @pytest.fixture
    def subject(self) -> CommandSubject:
        """It lists its profiles and ends."""
        return CommandSubject(SimulateCommand(), ["--list"])
