"""Entry point of the plugin. Imports the source only when the hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Source


@hookimpl
def portmapper_register_sources() -> list[type[Source]]:
    """Register the source `docker`."""
    from portmapper_docker.source import DockerSource

    return [DockerSource]
