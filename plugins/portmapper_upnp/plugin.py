"""The plugin's entry point. It imports the backend only when a hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Backend


@hookimpl
def portmapper_register_backends() -> list[type[Backend]]:
    """Return the UPnP IGD backend."""
    from portmapper_upnp.backend import IgdBackend

    return [IgdBackend]
