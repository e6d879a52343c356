"""Short forms of the status document, for dashboards and pages."""

from __future__ import annotations

import ipaddress
from typing import Any

from portmapper.api.external import ExternalKind, external_kind
from portmapper.api.model import HELD_BACK

Document = dict[str, Any]

NO_GATEWAY = "no gateway answered yet"
WAITING = "waiting for the gateway's answer"


def mappings_with_reason(status: Document) -> list[Document]:
    """Return the mappings of a status document, each with the reason if it is not as desired."""
    waits = WAITING if status["gateways"] else NO_GATEWAY
    return [{**mapping, "reason": _reason(mapping, waits)} for mapping in status["mappings"]]


def summary_document(status: Document) -> Document:
    """Return the most important values of a status document, without nesting."""
    mappings = status["mappings"]
    address = _external_address(status)
    kind = external_kind(ipaddress.ip_address(address) if address else None)
    return {
        "open": sum(mapping["state"] == "active" for mapping in mappings),
        "wanted": sum(mapping["state"] not in HELD_BACK for mapping in mappings),
        "rejected": sum(len(source["rejected"]) for source in status["sources"]),
        "external_address": address,
        "external_kind": kind.value,
        "reachable": _answers(status) and kind is ExternalKind.PUBLIC,
        "problems": len(status["problems"]),
    }


def _answers(status: Document) -> bool:
    return any(gateway.get("answers", True) for gateway in status["gateways"])


def _reason(mapping: Document, waits: str) -> str | None:
    return mapping.get("error") or (None if mapping["state"] == "active" else waits)


def _external_address(status: Document) -> str | None:
    """Return the address of the open ports, or else that of the best gateway; IPv4 before IPv6."""
    granted = [m.get("external_address") for m in status["mappings"] if m["state"] == "active"]
    known = [*granted, *(gateway["external_address"] for gateway in status["gateways"])]
    addresses = [address for address in known if address]
    return next((address for address in addresses if ":" not in address), next(iter(addresses), None))
