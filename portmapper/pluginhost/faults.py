"""What plugins did wrong, each by its name: `status` shows it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import attrs

from portmapper.api.errors import PluginFault

MAX_FAULTS = 100
MAX_LENGTH = 300

T = TypeVar("T")

_log = logging.getLogger(__name__)


@attrs.define
class Fault:
    """What one plugin did wrong.

    Attributes:
        plugin: `kind:name`.
        error: the latest, in one line.
        count: how often in this process.
    """

    plugin: str
    error: str
    count: int = 0


class Faults:
    """What plugins did wrong in this process; one entry for each, so that it stays small."""

    def __init__(self) -> None:
        self._known: dict[str, Fault] = {}

    def record(self, plugin: str, error: str) -> None:
        """Remember a fault; it is logged when it is another than this plugin's last."""
        line = " ".join(error.split())[:MAX_LENGTH]
        fault = self._known.get(plugin)
        if fault is None and len(self._known) >= MAX_FAULTS:
            return
        if fault is None:
            fault = self._known[plugin] = Fault(plugin, "")
        if fault.error != line:
            _log.warning("plugin %s: %s", plugin, line)
        fault.error = line
        fault.count += 1

    def clear(self) -> None:
        """Forget them all."""
        self._known.clear()

    def document(self) -> list[dict[str, Any]]:
        """Return them as `status` shows them."""
        return [attrs.asdict(fault) for fault in self._known.values()]


FAULTS = Faults()
"""Plugins are loaded once in a process, and so are their faults."""


def record_fault(plugin: str, error: BaseException | str) -> PluginFault:
    """Note what a plugin did wrong, and return the error that says so."""
    reason = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    reason = " ".join(reason.split())[:MAX_LENGTH]
    FAULTS.record(plugin, reason)
    if isinstance(error, BaseException):
        _log.debug("plugin %s failed", plugin, exc_info=error)
    kind, _, name = plugin.partition(":")
    return PluginFault(f"the {kind} {name} is broken: {reason}")


def instantiate(kind: str, factories: Iterable[Callable[[], T]]) -> list[T]:
    """Return an object of each; one that cannot be made is noted and left out."""
    objects = []
    for factory in factories:
        try:
            objects.append(factory())
        except Exception as error:
            record_fault(f"{kind}:{getattr(factory, 'name', factory)}", error)
    return objects
