"""What a UPnP error code means in the one vocabulary of failure."""

from __future__ import annotations

from portmapper.api import (
    BackendError,
    Conflict,
    NetworkFailure,
    NoResources,
    NotAuthorized,
    OnlyPermanentLeases,
    Unsupported,
)

INVALID_ACTION = 401
INVALID_ARGUMENTS = 402
ACTION_FAILED = 501
OPTIONAL_ACTION_ABSENT = 602
NOT_AUTHORIZED = 606
NO_SUCH_PINHOLE = 704
NO_PACKET_SENT = 709
INDEX_OUT_OF_RANGE = 713
NO_SUCH_ENTRY = 714
CONFLICT = 718
SAME_PORTS_REQUIRED = 724
ONLY_PERMANENT_LEASES = 725
CONFLICT_WITH_OTHER_MECHANISM = 729
LIST_EMPTY = 730

ABSENT = frozenset({INDEX_OUT_OF_RANGE, NO_SUCH_ENTRY})
"""How gateways say that a port has no entry; some use the list's code for a single one."""

MAX_WORDS = 120

_MEANING: dict[int, tuple[type[BackendError], str]] = {
    INVALID_ACTION: (Unsupported, "does not know the action"),
    INVALID_ARGUMENTS: (Unsupported, "does not take these arguments"),
    ACTION_FAILED: (Conflict, "says that it failed"),
    OPTIONAL_ACTION_ABSENT: (Unsupported, "does not have the action"),
    603: (NoResources, "is out of memory"),
    NOT_AUTHORIZED: (NotAuthorized, "refuses: not authorized"),
    701: (NoResources, "has no room for another pinhole"),
    702: (Unsupported, "has its IPv6 firewall switched off, so that there is nothing to open"),
    703: (NotAuthorized, "lets nobody open IPv6 pinholes"),
    NO_SUCH_PINHOLE: (NetworkFailure, "does not know the pinhole"),
    705: (Unsupported, "opens no pinhole for this protocol"),
    706: (Unsupported, "wants a concrete internal port"),
    707: (Unsupported, "wants a concrete protocol"),
    708: (Unsupported, "wants a source address for a pinhole"),
    NO_PACKET_SENT: (NetworkFailure, "has sent no packet through the pinhole yet"),
    715: (Unsupported, "wants a source address for this port"),
    716: (Unsupported, "wants a concrete external port"),
    CONFLICT: (Conflict, "says that the external port is taken"),
    SAME_PORTS_REQUIRED: (Unsupported, "wants the external port to be the internal one"),
    ONLY_PERMANENT_LEASES: (OnlyPermanentLeases, "grants only permanent leases"),
    726: (Unsupported, "wants any source address to be allowed"),
    727: (Unsupported, "wants the external port to be any"),
    728: (NoResources, "has no mapping left in its table"),
    CONFLICT_WITH_OTHER_MECHANISM: (Conflict, "says that another mechanism holds the external port"),
    732: (Unsupported, "wants a concrete internal port"),
    733: (Unsupported, "does not take these parameters together"),
}


class Fault(BackendError):
    """A SOAP fault as it came.

    Attributes:
        number: the UPnP error code, 0 when there was none.
        words: the gateway's own description, printable and short.
    """

    def __init__(self, number: int, words: str) -> None:
        self.number = number
        self.words = "".join(c for c in words if c.isprintable())[:MAX_WORDS].strip()
        super().__init__(f"the gateway answered with error {number} {self.words}".rstrip(), code=number)

    def typed(self) -> BackendError:
        """Return it as the error of the common vocabulary, with the gateway's words."""
        kind, meaning = _MEANING.get(self.number, (Unsupported, "refuses"))
        quoted = f"{self.number} {self.words}".rstrip()
        return kind(f"the gateway {meaning} ({quoted})", code=self.number)


class Refused(NetworkFailure):
    """Nobody listens at the gateway's control URL."""


class Moved(NetworkFailure):
    """The control URL is not there any more: the gateway describes itself anew elsewhere."""
