"""A value that counts as changed only once it has been the same for a while."""

from __future__ import annotations

import attrs


@attrs.define
class Settled:
    """The value that messages are about.

    Attributes:
        value: the value that counts.
        candidate: another value, while it is not old enough to count.
        since: when the candidate was first seen.
    """

    value: object
    candidate: object = None
    since: float = 0.0

    def changes(self, value: object, now: float, delay: float) -> bool:
        """Take note of the current value; return whether it counts from now on."""
        if value == self.value:
            self.candidate = None
            return False
        if value != self.candidate:
            self.candidate, self.since = value, now
        if now - self.since < delay:
            return False
        self.value, self.candidate = value, None
        return True
