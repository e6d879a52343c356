"""Reasons for a refusal, independent of the error codes of each protocol."""

from __future__ import annotations

import enum

from portmapper_simulator.table import Entry


class Reason(enum.Enum):
    """Reason for a refusal, which PCP, NAT-PMP and UPnP encode differently."""

    NOT_AUTHORIZED = "not authorized"
    MALFORMED = "malformed request"
    UNSUPPORTED_OPCODE = "unsupported opcode"
    UNSUPPORTED_OPTION = "unsupported option"
    MALFORMED_OPTION = "malformed option"
    UNSUPPORTED_PROTOCOL = "unsupported protocol"
    UNSUPPORTED_VERSION = "unsupported version"
    NETWORK_FAILURE = "no external address"
    NO_RESOURCES = "no resources"
    CANNOT_PROVIDE_EXTERNAL = "cannot provide that external port"
    ADDRESS_MISMATCH = "address mismatch"


class Refused(Exception):
    """The gateway refuses a request.

    Attributes:
        reason: the reason for the refusal.
        lifetime: lifetime of the error in a PCP reply in seconds, None for the default.
        holder: the conflicting entry, if there is one.
    """

    def __init__(self, reason: Reason, *, lifetime: int | None = None, holder: Entry | None = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.lifetime = lifetime
        self.holder = holder


class Fault(Exception):
    """A UPnP error in a SOAP fault.

    Attributes:
        code: UPnP error code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(FAULTS.get(code, "Action Failed"))
        self.code = code


FAULTS = {
    401: "Invalid Action",
    402: "Invalid Args",
    501: "Action Failed",
    606: "Action not authorized",
    713: "SpecifiedArrayIndexInvalid",
    714: "NoSuchEntryInArray",
    715: "WildCardNotPermittedInSrcIP",
    716: "WildCardNotPermittedInExtPort",
    718: "ConflictInMappingEntry",
    724: "SamePortValuesRequired",
    725: "OnlyPermanentLeasesSupported",
    726: "RemoteHostOnlySupportsWildcard",
    727: "ExternalPortOnlySupportsWildcard",
    728: "NoPortMapsAvailable",
    729: "ConflictWithOtherMechanisms",
    730: "PortMappingNotFound",
    732: "WildCardNotPermittedInIntPort",
    733: "InconsistentParameters",
}
