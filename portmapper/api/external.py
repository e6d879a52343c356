"""Kinds of external addresses. `status` imports this module, so it has no attrs class."""

from __future__ import annotations

import enum
import ipaddress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portmapper.api.model import IPAddress


class ExternalKind(enum.StrEnum):
    """Kind of external address that a gateway reports."""

    PUBLIC = "public"
    PRIVATE = "private"
    CGNAT = "cgnat"
    NONE = "none"


_CGNAT = ipaddress.ip_network("100.64.0.0/10")


def external_kind(address: IPAddress | None) -> ExternalKind:
    """Classify an external address. CGNAT is 100.64.0.0/10 (RFC 6598)."""
    if address is None or address.is_unspecified or address.is_loopback or address.is_multicast:
        return ExternalKind.NONE
    if address.version == 4 and address in _CGNAT:
        return ExternalKind.CGNAT
    return ExternalKind.PUBLIC if address.is_global else ExternalKind.PRIVATE
