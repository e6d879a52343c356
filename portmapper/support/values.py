"""Frozen attrs classes that cost half as much to create, and a faster copy of their values."""

from __future__ import annotations

import functools
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    # The type checker knows this decorator and `attrs.evolve` only by their own names.
    from attrs import evolve as evolve
    from attrs import frozen as frozen
else:

    def frozen(cls: type) -> type:
        """Create a class as `attrs.frozen` does, but without compiling methods for it.

        attrs compiles `__eq__`, `__hash__` and `__repr__` for each class, which is half of its cost. With a
        hundred classes, this was a fifth of the start. These closures do the same and need no compiler.
        Nothing here matches values by position or refers to them weakly, so attrs need not prepare for that.
        """
        built = attrs.frozen(
            cls, eq=False, repr=False, auto_detect=False, match_args=False, weakref_slot=False
        )
        own = vars(cls)
        if "__eq__" not in own:
            built.__eq__, built.__hash__ = _comparison(attrs.fields(built))
        if "__repr__" not in own:
            built.__repr__ = _representation([field.name for field in attrs.fields(built) if field.repr])
        return built

    def evolve(value: Any, **changes: Any) -> Any:
        """Return a copy with changes, as `attrs.evolve` does, in half the time.

        A mapping gets five new records until it is open. All fields must be positional, without converters.
        """
        fields, places = _fields_of(value.__class__)
        kind, *copied = fields(value)
        for name, changed in changes.items():
            copied[places[name]] = changed
        return kind(*copied)

    @functools.cache
    def _fields_of(kind: type) -> tuple[Callable[[Any], Any], dict[str, int]]:
        """Return what reads the class and all fields, and the place of each field."""
        names = [field.name for field in attrs.fields(kind)]
        return attrgetter("__class__", *names), {name: place for place, name in enumerate(names)}


def _comparison(fields: Any) -> tuple[Callable[[Any, object], Any], Callable[[Any], int]]:
    names = [field.name for field in fields if field.eq]
    values: Callable[[object], object] = attrgetter(*names) if names else type

    def equal(self: object, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    def hashed(self: object) -> int:
        return hash(values(self))

    return equal, hashed


def _representation(names: list[str]) -> Callable[[Any], str]:
    def shown(self: object) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__.rpartition('>.')[2]}({values})"

    return shown
