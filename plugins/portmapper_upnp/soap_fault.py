"""UPnP error codes, and their translation into portmapper's error types."""

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

NO_CODE = 0
"""The number of a refusal without an error code: only an HTTP status, or a closed connection."""

INVALID_ACTION = 401
INVALID_ARGUMENTS = 402
ACTION_FAILED = 501
OPTIONAL_ACTION_ABSENT = 602
OUT_OF_MEMORY = 603
NOT_AUTHORIZED = 606
NO_SUCH_PINHOLE = 704
NO_PACKET_SENT = 709
INDEX_OUT_OF_RANGE = 713
NO_SUCH_ENTRY = 714
SOURCE_REQUIRED = 715
CONFLICT = 718
SAME_PORTS_REQUIRED = 724
ONLY_PERMANENT_LEASES = 725
ONLY_WILDCARD = 726
ONLY_ANY_PORT = 727
TABLE_FULL = 728
CONFLICT_WITH_OTHER_MECHANISM = 729
LIST_EMPTY = 730
STRING_TOO_LONG = 605
ARGUMENT_INVALID = 600
ARGUMENT_OUT_OF_RANGE = 601

ABSENT = frozenset({INDEX_OUT_OF_RANGE, NO_SUCH_ENTRY})
"""Codes for a port without an entry; some gateways use the list's code for a single entry."""

MAX_DESCRIPTION = 120

_MEANING: dict[int, tuple[type[BackendError], str]] = {
    INVALID_ACTION: (Unsupported, "does not know the action"),
    INVALID_ARGUMENTS: (Unsupported, "rejects the arguments"),
    ACTION_FAILED: (Conflict, "reports a failure"),
    OPTIONAL_ACTION_ABSENT: (Unsupported, "does not have the action"),
    OUT_OF_MEMORY: (NoResources, "is out of memory"),
    NOT_AUTHORIZED: (NotAuthorized, "refuses: not authorized"),
    701: (NoResources, "has no room for another pinhole"),
    702: (Unsupported, "has its IPv6 firewall switched off, so there is nothing to open"),
    703: (NotAuthorized, "does not allow IPv6 pinholes"),
    NO_SUCH_PINHOLE: (NetworkFailure, "does not know the pinhole"),
    705: (Unsupported, "opens no pinhole for this protocol"),
    706: (Unsupported, "requires a specific internal port"),
    707: (Unsupported, "requires a specific protocol"),
    708: (Unsupported, "requires a source address for a pinhole"),
    NO_PACKET_SENT: (NetworkFailure, "has sent no packet through the pinhole yet"),
    SOURCE_REQUIRED: (Unsupported, "requires a source address for this port"),
    716: (Unsupported, "requires a specific external port"),
    CONFLICT: (Conflict, "reports that the external port is taken"),
    SAME_PORTS_REQUIRED: (Unsupported, "requires the external port to equal the internal port"),
    ONLY_PERMANENT_LEASES: (OnlyPermanentLeases, "grants only permanent leases"),
    ONLY_WILDCARD: (Unsupported, "requires that any source address is allowed"),
    ONLY_ANY_PORT: (Unsupported, "requires any external port"),
    TABLE_FULL: (NoResources, "has no free entry in its table"),
    CONFLICT_WITH_OTHER_MECHANISM: (Conflict, "reports that another mechanism holds the external port"),
    732: (Unsupported, "requires a specific internal port"),
    733: (Unsupported, "rejects this combination of parameters"),
}


class Fault(BackendError):
    """A SOAP fault as the gateway sent it.

    Attributes:
        number: the UPnP error code, `NO_CODE` if there was none.
        description: the gateway's own text, reduced to printable characters and truncated.
    """

    def __init__(self, number: int, description: str) -> None:
        self.number = number
        self.description = "".join(c for c in description if c.isprintable())[:MAX_DESCRIPTION].strip()
        code = "" if number == NO_CODE else f"error {number} "
        super().__init__(f"the gateway answered with {code}{self.description}".rstrip(), code=number or None)

    @property
    def is_known(self) -> bool:
        """Whether the code has a meaning in a standard; -911 and 399 have none."""
        return self.number in _MEANING

    def typed(self) -> BackendError:
        """Return the matching error of the common vocabulary, including the gateway's own text."""
        if self.number == NO_CODE:
            return NetworkFailure(str(self))
        kind, meaning = _MEANING.get(self.number, (Unsupported, "refuses"))
        quoted = f"{self.number} {self.description}".rstrip()
        return kind(f"the gateway {meaning} ({quoted})", code=self.number)


class Refused(NetworkFailure):
    """The gateway refuses connections to its control URL."""


class Moved(NetworkFailure):
    """The control URL no longer exists: the gateway has a new description at another URL."""
