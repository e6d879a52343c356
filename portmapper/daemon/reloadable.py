"""The part of a daemon's settings that a reload may change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from portmapper.api.events import Observer
from portmapper.config.schema import ProbeSettings
from portmapper.sources.policy import Policy
from portmapper.sources.reader import SourceReader
from portmapper.support.values import frozen


@frozen
class Reloadable:
    """Sources, observers, policy and probe server.

    Attributes:
        readers: one reader per source; a reload keeps the readers of unchanged sources.
        observers: receive the events; a reload keeps unchanged observers.
        policy: decides which mappings may be opened.
        probe: the probe server, and how often to ask it.
    """

    readers: Sequence[SourceReader] = ()
    observers: Sequence[Observer] = ()
    policy: Policy = attrs.field(factory=Policy)
    probe: ProbeSettings = attrs.field(factory=ProbeSettings)


LoadSettings = Callable[[], Reloadable]
"""Loads the settings again. Raises `UsageError` if they are invalid; then the old settings stay in effect."""
