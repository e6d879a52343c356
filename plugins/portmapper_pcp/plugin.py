"""The plugin's entry point. It imports the backends only when a hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Backend


@hookimpl
def portmapper_register_backends() -> list[type[Backend]]:
    """Return the PCP and NAT-PMP backends."""
    from portmapper_pcp.backends import NatPmpBackend, PcpBackend

    return [PcpBackend, NatPmpBackend]
