"""Options of the scheduler."""

from __future__ import annotations

from collections.abc import Callable, Collection

from portmapper.api.model import ConflictPolicy, Mapping
from portmapper.support.values import frozen

PolicyCheck = Callable[[], Callable[[Mapping], str]]
"""Returns the current check of the policy, which returns why a mapping is denied; empty if it is allowed."""


def _allow_all() -> Callable[[Mapping], str]:
    return lambda mapping: ""


@frozen
class Options:
    """Options of the scheduler.

    Attributes:
        conflict: conflict policy for mappings that set none.
        interval: seconds between two resyncs, and the longest pause after a failure that may pass.
        chosen: gateways that the user named; empty means search for them.
        allowed: backends that may open ports; None means all. The other backends only release leases.
        scope: sources whose orphaned leases are released; None means all.
        watch: listen for announcements of gateways.
        on_hold: change no gateway before `Scheduler.begin`, but find the gateways.
        policy_check: checks mappings with the port that a gateway chose.
        prompt: sources whose mappings a person waits for, so they are opened before other new ones.
    """

    conflict: ConflictPolicy = ConflictPolicy.OWN
    interval: float = 60.0
    chosen: tuple[str, ...] = ()
    allowed: Collection[str] | None = None
    scope: Collection[str] | None = None
    watch: bool = True
    on_hold: bool = False
    prompt: Collection[str] = ()
    policy_check: PolicyCheck = _allow_all
