"""Points where quirks change the gateway's behavior.

Each server passes a value through a point, which returns it unchanged if no quirk is active. A quirk is
a function registered at a point. It returns a changed value, or raises the gateway's refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from portmapper_simulator.errors import Fault

Value = TypeVar("Value")
Change = Callable[[Value], Value]

QUIRKS: dict[str, str] = {}
"""Description of every quirk in one line, by name."""


class QuirkPoint(Generic[Value]):
    """A point where quirks can change a value."""

    def __init__(self) -> None:
        self._changes: dict[str, Change[Value]] = {}
        self._bundles: dict[str, str] = {}

    def quirk(self, name: str, description: str = "") -> Callable[[Change[Value]], Change[Value]]:
        """Register a quirk at this point; a quirk with several points is described at one of them."""

        def register(change: Change[Value]) -> Change[Value]:
            self._changes[name] = change
            if description:
                QUIRKS[name] = description
            return change

        return register

    def bundle(self, name: str, description: str, *quirks: str) -> None:
        """Register a common name for several quirks at this point."""
        self._bundles.update(dict.fromkeys(quirks, name))
        QUIRKS[name] = description

    def apply(self, active: Collection[str], value: Value) -> Value:
        """Apply the active quirks to a value, in the order of their registration."""
        for name, change in self._changes.items() if active else ():
            if name in active or self._bundles.get(name) in active:
                value = change(value)
        return value


def refuse_with(code: int, when: Callable[[Value], bool]) -> Change[Value]:
    """Return a quirk that refuses with a UPnP error code."""

    def refuse(value: Value) -> Value:
        if when(value):
            raise Fault(code)
        return value

    return refuse
