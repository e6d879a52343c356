"""The plugin's entry point. It imports the source only when a hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Source


@hookimpl
def portmapper_register_sources() -> list[type[Source]]:
    """Register HTTP and HTTPS URLs."""
    from portmapper_http.source import HttpSource

    return [HttpSource]
