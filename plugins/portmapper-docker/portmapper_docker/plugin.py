"""The entry point. It imports nothing of its own before a hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Source


@hookimpl
def portmapper_register_sources() -> list[type[Source]]:
    """Register container engines."""
    from portmapper_docker.source import DockerSource

    return [DockerSource]
