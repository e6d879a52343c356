"""Faults of plugins, recorded by plugin name and shown by `status`."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from portmapper.api.errors import PluginFault, PortmapperError
from portmapper.support.reasons import plain_reason
from portmapper.support.secrets import mask_urls
from portmapper.support.shortage import is_shortage

MAX_FAULTS = 100
MAX_LENGTH = 300
MAX_KNOWN = 8
"""Faults of one plugin that are known at one time."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Fault:
    """Faults of one plugin.

    Attributes:
        plugin: `kind:name`.
        error: the latest fault, one line.
        count: number of faults in this process.
        logged: the latest different faults; none of them is logged again.
    """

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.error = ""
        self.count = 0
        self.logged: deque[str] = deque(maxlen=MAX_KNOWN)


class Faults:
    """Faults of all plugins in this process: one entry per plugin, so memory use is bounded."""

    def __init__(self) -> None:
        self._known: dict[str, Fault] = {}

    def record(self, plugin: str, error: str) -> None:
        """Record a fault, and log it if it differs from the plugin's latest ones, which may alternate."""
        line = mask_urls(" ".join(error.split()))[:MAX_LENGTH]
        fault = self._known.get(plugin)
        if fault is None and len(self._known) >= MAX_FAULTS:
            return
        if fault is None:
            fault = self._known[plugin] = Fault(plugin)
        if line not in fault.logged:
            fault.logged.append(line)
            _log.warning("plugin %s: %s", plugin, line)
        fault.error = line
        fault.count += 1

    def clear(self) -> None:
        """Discard all recorded faults."""
        self._known.clear()

    def document(self) -> list[dict[str, Any]]:
        """Return the faults for the status document."""
        return [
            {"plugin": fault.plugin, "error": fault.error, "count": fault.count}
            for fault in self._known.values()
        ]


FAULTS = Faults()
"""Global, because plugins are loaded once per process."""


def record_fault(plugin: str, error: BaseException | str) -> PluginFault:
    """Record a fault of a plugin and return the error to raise."""
    reason = str(error) if isinstance(error, str | PortmapperError) else plain_reason(error)
    reason = mask_urls(" ".join(reason.split()))[:MAX_LENGTH]
    FAULTS.record(plugin, reason)
    if isinstance(error, BaseException):
        _log.debug("plugin %s failed", plugin, exc_info=error)
    kind, _, name = plugin.partition(":")
    if is_shortage(error):
        return PluginFault(f"{kind} {name}: {reason}")
    return PluginFault(f"the {kind} {name} is broken: {reason}")


def instantiate(kind: str, factories: Iterable[Callable[[], T]]) -> list[T]:
    """Call each factory and return the objects; a factory that fails is recorded and skipped."""
    objects = []
    for factory in factories:
        try:
            objects.append(factory())
        except Exception as error:
            record_fault(f"{kind}:{getattr(factory, 'name', factory)}", error)
    return objects
