"""Result codes of PCP and NAT-PMP, and their translation into portmapper's error types."""

from __future__ import annotations

from portmapper.api import (
    AnotherNat,
    BackendError,
    Conflict,
    NetworkFailure,
    NoResources,
    NotAuthorized,
    Unsupported,
)
from portmapper_pcp.natpmp_library import natpmp
from portmapper_pcp.pcp_codec import Result

MAX_ERROR_LIFETIME = 1800.0
"""Maximum seconds of an error lifetime that are respected (RFC 6887 section 15: 30 minutes)."""

_PCP: dict[int, tuple[type[BackendError], str]] = {
    Result.UNSUPP_VERSION: (Unsupported, "the gateway refuses this version of PCP"),
    Result.NOT_AUTHORIZED: (NotAuthorized, "the gateway's rules do not allow it"),
    Result.MALFORMED_REQUEST: (Unsupported, "the gateway does not understand the request"),
    Result.UNSUPP_OPCODE: (Unsupported, "the gateway opens no ports over PCP"),
    Result.UNSUPP_OPTION: (Unsupported, "the gateway does not know an option of the request"),
    Result.MALFORMED_OPTION: (Unsupported, "the gateway does not understand an option of the request"),
    Result.NETWORK_FAILURE: (
        NetworkFailure,
        "the gateway's own network fails, or it has no external address",
    ),
    Result.NO_RESOURCES: (NoResources, "the gateway's table is full"),
    Result.UNSUPP_PROTOCOL: (Unsupported, "the gateway does not map this protocol"),
    Result.USER_EX_QUOTA: (NoResources, "the gateway's quota for this host is used up"),
    Result.CANNOT_PROVIDE_EXTERNAL: (
        Conflict,
        "the external port is taken, or the gateway's rules deny it",
    ),
    Result.ADDRESS_MISMATCH: (AnotherNat, "there is another NAT between this host and the gateway"),
    Result.EXCESSIVE_REMOTE_PEERS: (NoResources, "the gateway accepts no more remote peers"),
}

_NATPMP: dict[int, tuple[type[BackendError], str]] = {
    natpmp.NATPMP_RESULT_UNSUPPORTED_VERSION: (Unsupported, "the gateway refuses this version of NAT-PMP"),
    natpmp.NATPMP_RESULT_NOT_AUTHORIZED: (
        NotAuthorized,
        "the gateway's rules do not allow it, or NAT-PMP is switched off there",
    ),
    natpmp.NATPMP_RESULT_NETWORK_FAILURE: (NetworkFailure, "the gateway has no external address"),
    natpmp.NATPMP_RESULT_OUT_OF_RESOURCES: (NoResources, "the gateway's table is full"),
    natpmp.NATPMP_RESULT_UNSUPPORTED_OPERATION: (Unsupported, "the gateway opens no ports over NAT-PMP"),
}


def pcp_error(result: int, lifetime: int, hint: str = "") -> BackendError:
    """Return the error for a PCP result that is not success.

    Args:
        result: the result code.
        lifetime: seconds that the error lasts (RFC 6887 section 8.3: do not retry before its end).
        hint: advice for the user.
    """
    kind, message = _PCP.get(result, (Unsupported, f"the gateway refuses with PCP result {result}"))
    return kind(message + hint, code=result, retry_after=min(float(lifetime), MAX_ERROR_LIFETIME) or None)


def natpmp_error(result: int) -> BackendError:
    """Return the error for a NAT-PMP result that is not success."""
    kind, message = _NATPMP.get(result, (Unsupported, f"the gateway refuses with NAT-PMP result {result}"))
    return kind(message, code=result)
