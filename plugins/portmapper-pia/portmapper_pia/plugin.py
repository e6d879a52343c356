"""Entry point of the plugin. Imports the backend only when the hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Backend


@hookimpl
def portmapper_register_backends() -> list[type[Backend]]:
    """Register the backend `pia`."""
    from portmapper_pia.backend import PiaBackend

    return [PiaBackend]
