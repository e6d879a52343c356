"""What this plugin registers. Nothing is imported before it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Source


@hookimpl
def portmapper_register_sources() -> list[type[Source]]:
    """Register URLs."""
    from portmapper_http.source import HttpSource

    return [HttpSource]
