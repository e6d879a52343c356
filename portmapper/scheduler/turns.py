"""Whose turn it is in each group of mappings that must not be requested at the same time."""

from __future__ import annotations

from collections.abc import Hashable

from portmapper.api.model import MappingKey

Member = tuple[MappingKey, int]
"""A mapping, and the serial number of its attempt."""


class Turns:
    """One queue for each group. The first member has its turn until it leaves."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, list[Member]] = {}
        self._group_of: dict[Member, Hashable] = {}

    def join(self, group: Hashable, member: Member) -> bool:
        """Queue a member; return whether it is its turn."""
        queue = self._queues.setdefault(group, [])
        queue.append(member)
        self._group_of[member] = group
        return queue[0] == member

    def has(self, member: Member) -> bool:
        """Return whether it is this member's turn."""
        group = self._group_of.get(member)
        return group is not None and self._queues[group][0] == member

    def leave(self, member: Member) -> Member | None:
        """Remove a member; return the next one, if its turn has come by that."""
        group = self._group_of.pop(member, None)
        if group is None:
            return None
        queue = self._queues[group]
        first = queue[0] == member
        queue.remove(member)
        if not queue:
            del self._queues[group]
            self._release_memory()
            return None
        return queue[0] if first else None

    def _release_memory(self) -> None:
        """Drop empty tables: a dict keeps the size that it had with thousands of members."""
        if not self._queues:
            self._queues.clear()
            self._group_of.clear()
