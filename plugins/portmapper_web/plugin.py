"""Entry point of the plugin. Imports the pages only when the listener is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import WebPages


@hookimpl
def portmapper_register_web() -> list[type[WebPages]]:
    """Register the page `/`."""
    from portmapper_web.pages import Page

    return [Page]
