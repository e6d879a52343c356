"""How a scheduler behaves."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from portmapper.api.model import ConflictPolicy


@attrs.frozen
class Options:
    """How a scheduler behaves.

    Attributes:
        conflict: policy of mappings that name none.
        interval: seconds between two looks at what nothing announced; no failed attempt waits longer.
        chosen: gateways that the user named; empty searches for them.
        allowed: backends that may open ports; None is every one. Others only release.
        scope: sources whose left-over leases are released; None is all of them.
        watch: listen for what gateways tell unasked.
    """

    conflict: ConflictPolicy = ConflictPolicy.OWN
    interval: float = 60.0
    chosen: tuple[str, ...] = ()
    allowed: Collection[str] | None = None
    scope: Collection[str] | None = None
    watch: bool = True
