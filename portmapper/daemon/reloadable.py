"""The part of a daemon's settings that a reload may change."""

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
        readers: one reader per source; a reload keeps the readers of unchanged sources.
        observers: receive the events; a reload keeps unchanged observers.
        policy: decides which mappings may be opened.
    """

    readers: Sequence[SourceReader] = ()
    observers: Sequence[Observer] = ()
    policy: Policy = attrs.field(factory=Policy)


LoadSettings = Callable[[], Reloadable]
"""Loads the settings again. Raises `UsageError` if they are invalid; then the old settings stay in effect."""
