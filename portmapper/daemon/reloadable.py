"""What of a daemon a reload may change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from portmapper.api.events import Observer
from portmapper.sources.policy import Policy
from portmapper.sources.reader import SourceReader


@attrs.frozen
class Reloadable:
    """Sources, observers and policy.

    Attributes:
        readers: one for each source; what was there before is the same object.
        observers: who is told of events; the same.
        policy: what may be opened at all.
    """

    readers: Sequence[SourceReader] = ()
    observers: Sequence[Observer] = ()
    policy: Policy = attrs.field(factory=Policy)


Resetting = Callable[[], Reloadable]
"""Reads the settings again; raises `UsageError` when they are wrong, and then all stays as it was."""
