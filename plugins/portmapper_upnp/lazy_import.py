"""Import of a heavy module in a thread, without blocking the event loop."""

from __future__ import annotations

import importlib

from portmapper.api import BackendError, Unsupported
from portmapper.support.reasons import plain_reason
from portmapper.support.shortage import is_shortage
from portmapper.support.start_leftovers import LEFTOVERS
from portmapper.support.threads import in_thread_or_here

FACTORY = "portmapper_upnp.factory"
"""The module that reads descriptions. It imports async-upnp-client and aiohttp."""

_loaded: set[str] = set()


def is_loaded(name: str) -> bool:
    """Tell whether `load` has imported a module."""
    return name in _loaded


async def load(name: str) -> None:
    """Import the module `name` in a separate thread.

    async-upnp-client and aiohttp take about 200 ms to import; PCP and NAT-PMP get their answers sooner.

    Raises:
        BackendError: the system has nothing left to import the module with.
        Unsupported: the module cannot be imported.
    """
    if name in _loaded:
        return

    def work() -> None:
        from portmapper.support.late_certificates import late_certificates
        from portmapper.support.pure_frozenlist import pure_frozenlist

        LEFTOVERS.free()
        with late_certificates(), pure_frozenlist():
            importlib.import_module(name)

    try:
        await in_thread_or_here(work)
    except Exception as error:  # a broken installation can raise anything
        if isinstance(error, OSError) or is_shortage(error):
            raise BackendError(f"{name} cannot be imported: {plain_reason(error)}") from error
        raise Unsupported(f"{name} cannot be imported: {error}") from error
    _loaded.add(name)
