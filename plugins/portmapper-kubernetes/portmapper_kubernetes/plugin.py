"""Entry point of the plugin. Imports its parts only when a hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Command, Source


@hookimpl
def portmapper_register_commands() -> list[type[Command]]:
    """Register the command `kubernetes`."""
    from portmapper_kubernetes.command import KubernetesCommand

    return [KubernetesCommand]


@hookimpl
def portmapper_register_sources() -> list[type[Source]]:
    """Register the source `kubernetes`."""
    from portmapper_kubernetes.source import KubernetesSource

    return [KubernetesSource]
