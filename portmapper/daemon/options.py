"""The options of a run."""

from __future__ import annotations

from collections.abc import Iterable

from portmapper.api.model import ConflictPolicy
from portmapper.scheduler.options import Options, PolicyCheck
from portmapper.sources.adhoc import COMMAND_LINE
from portmapper.sources.reader import SourceReader
from portmapper.support.values import frozen


@frozen
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

    @property
    def on_loopback(self) -> bool:
        """Whether a chosen gateway runs on this host, as the simulator does."""
        return any(name == "localhost" or name.startswith("127.") for name in self.chosen)


def scheduler_options(
    options: RunOptions, readers: Iterable[SourceReader], policy_check: PolicyCheck, *, on_hold: bool
) -> Options:
    """Return the options of the scheduler; a pass is only for the leases of its lists."""
    return Options(
        conflict=options.conflict,
        interval=options.interval,
        chosen=options.chosen,
        allowed=options.allowed or None,
        scope={reader.location for reader in readers} if options.oneshot else None,
        watch=not options.oneshot,
        policy_check=policy_check,
        prompt=(COMMAND_LINE,),
        on_hold=on_hold,
    )
