"""Entry point of the plugin. Imports the commands only when the hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Command


@hookimpl
def portmapper_register_commands() -> list[type[Command]]:
    """Register the commands `simulate` and `demo`."""
    from portmapper_simulator.demo_command import Demo
    from portmapper_simulator.simulate_command import SimulateCommand

    return [SimulateCommand, Demo]
