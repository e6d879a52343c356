"""What can happen to a mapping: the inputs of `transition`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from portmapper.api.errors import BackendError
from portmapper.api.model import IPAddress, Lease, Mapping
from portmapper.network.placement import Place
from portmapper.scheduler.record import Attempt, Refusal
from portmapper.support.values import frozen


@frozen
class Input:
    """Something that happened to a mapping. An input without fields needs no decorator."""


@frozen
class Desired(Input):
    """A source lists the mapping with other values."""

    mapping: Mapping


class Undesired(Input):
    """No source lists the mapping any more."""

    __slots__ = ()


@frozen
class Due(Input):
    """The time of the next attempt has come.

    Attributes:
        places: where it may ask, best first.
        unplaced: why there is no such place; empty if there is one.
        serial: the number of the attempt.
    """

    places: Sequence[Place]
    unplaced: str
    serial: int


@frozen
class TurnCame(Input):
    """The peer whose attempt this one waited for has ended.

    Attributes:
        silent: the requests that got no answer a moment ago; they are not repeated.
    """

    silent: tuple[tuple[Attempt, Refusal], ...]


@frozen
class Asked(Input):
    """A request was queued at a gateway. `holder` tells whether that gateway holds the lease."""

    attempt: Attempt
    holder: bool


@frozen
class PassedOver(Input):
    """A gateway or backend cannot serve the mapping, so it is not asked. `attempt` is None for a backend."""

    attempt: Attempt | None
    refusal: Refusal


@frozen
class Adopting(Input):
    """The request under way would renew a lease of an earlier run; None if there is none to renew."""

    lease: Lease | None
    opened_at: datetime | None


@frozen
class Granted(Input):
    """The gateway that was asked granted the mapping.

    Attributes:
        lease: what it granted.
        recreated: the request closed and opened the mapping.
        repaired: it and its peers were brought into a known order before.
        age: seconds since it was requested. Its lifetime began then at the earliest: the answer may have
            waited while this host was suspended.
    """

    lease: Lease
    recreated: bool = False
    repaired: bool = False
    age: float = 0.0


@frozen
class Refused(Input):
    """The gateway that was asked refused, or did not answer."""

    gateway: str
    error: BackendError


@frozen
class Exhausted(Input):
    """No gateway is left to ask.

    Attributes:
        search_errors: what the searches reported, if they found no gateway to ask.
    """

    search_errors: str = ""


class Expired(Input):
    """The lease has ended."""

    __slots__ = ()


class Vanished(Input):
    """The gateway's table does not have the lease."""

    __slots__ = ()


class Verified(Input):
    """The gateway's table has the lease."""

    __slots__ = ()


@frozen
class Doubted(Input):
    """The gateway restarted, or said goodbye: the lease may be lost.

    Attributes:
        delay: seconds until the next attempt.
        order_lost: the order of the peers is unknown now.
    """

    delay: float
    order_lost: bool


@frozen
class GatewayBack(Input):
    """A gateway answers again, or restarted: what is not open may be open there.

    Attributes:
        delay: seconds until the next attempt; None leaves the attempt that is under way.
    """

    delay: float | None


class NetworkChanged(Input):
    """This host's addresses, links or routes changed."""

    __slots__ = ()


@frozen
class BetterGateway(Input):
    """A better gateway than the holder answers again. `delay` in seconds."""

    delay: float


class RetryNow(Input):
    """A person asked to try at once what is not open."""

    __slots__ = ()


class AttemptNow(Input):
    """A search ended: there may be a gateway to ask, or another one is needed."""

    __slots__ = ()


@frozen
class AddressChanged(Input):
    """The gateway that holds the lease has another external address."""

    address: IPAddress | None


@frozen
class Disturbed(Input):
    """What was done to a peer may have closed the mapping (see `portmapper.api.quirks`).

    Attributes:
        recreate: a renewal alone does not open it.
        order_lost: the order of the peers is unknown now.
        begin: an attempt must begin now.
    """

    recreate: bool = False
    order_lost: bool = False
    begin: bool = True


class OrderKnown(Input):
    """The order of the mapping and its peers is known, or does not matter."""

    __slots__ = ()


@frozen
class ChangePort(Input):
    """The other half of its pair has another external port: request that one."""

    port: int


@frozen
class PairChecked(Input):
    """The two halves of its pair were compared.

    Attributes:
        apart: why they have different external ports; empty if they have the same one.
    """

    apart: str = ""


@frozen
class GivenUp(Input):
    """The executor closed the lease on purpose, and its replacement was not granted; `why` is for users."""

    why: str


@frozen
class RenewNow(Input):
    """Renew at `at` (monotonic seconds) instead of at the planned time."""

    at: float
