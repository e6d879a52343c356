"""What a transition goes by besides the input, and what it returns: the next record and effects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from portmapper.api.model import IPAddress, Lease
from portmapper.scheduler.record import Record
from portmapper.support.values import frozen


@frozen
class Moment:
    """A point in time: monotonic seconds, and the wall clock in UTC."""

    monotonic: float
    wall: datetime


@frozen
class Rules:
    """What the transitions need to know of the scheduler's options.

    Attributes:
        interval: seconds; what may pass at any moment is retried at least that often.
    """

    interval: float = 60.0


class Effect:
    """Something that follows from a transition. The scheduler carries it out."""


@frozen
class Acquired(Effect):
    """The mapping holds this lease now.

    Attributes:
        before: the lease that it held until now.
        adopted: the lease of an earlier run that this one renews.
        lease: the new lease.
        renewed: it is the same opening as before.
    """

    before: Lease | None
    adopted: Lease | None
    lease: Lease
    renewed: bool


@frozen
class Lost(Effect):
    """The mapping lost its lease.

    Attributes:
        lease: which.
        why: the reason, for the journal.
        still_open: the gateway may still hold it, so it has to be released.
    """

    lease: Lease
    why: str
    still_open: bool = False


@frozen
class Failed(Effect):
    """An attempt was granted by no gateway. `first` tells whether it is the first in a row."""

    first: bool


@frozen
class Abandoned(Effect):
    """The lease is not desired any more and has to be released."""

    lease: Lease


@frozen
class Moved(Effect):
    """The mapping is reached at another external address now."""

    lease: Lease
    before: IPAddress | None


Result = tuple[Record | None, tuple[Effect, ...]]
"""The next record, None when it is dropped, and the effects that the scheduler carries out."""

Handler = Callable[[Record, Any, Moment, Rules], Result]
"""Takes the record, the input, the time and the rules."""
