"""The options of a run."""

from __future__ import annotations

import attrs

from portmapper.api.model import ConflictPolicy


@attrs.frozen
class RunOptions:
    """The options of a run.

    Attributes:
        interval: seconds between two checks of sources, network and gateways.
        oneshot: run one pass, then exit.
        close_on_exit: on exit, release what this run opened.
        conflict: policy for mappings that set none.
        chosen: gateways that the user named.
        allowed: backends that may open ports; empty means all.
    """

    interval: float = 60.0
    oneshot: bool = False
    close_on_exit: bool = False
    conflict: ConflictPolicy = ConflictPolicy.OWN
    chosen: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
