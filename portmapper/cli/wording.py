"""Words that every screen uses in the same way: ports, protocols and external addresses."""

from __future__ import annotations

from portmapper.support.wording import port_text as port_text
from portmapper.support.wording import protocol_name as protocol_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KINDS = {
    "public": "public",
    "private": "private: another NAT in front",
    "cgnat": "CGNAT: shared by the provider",
}

HELD_BACK = ("paused", "waiting")
"""The states of `portmapper.api.model.HELD_BACK` as in a status document, without the import of attrs."""

NOT_KNOWN = "external address not known yet"


def external_text(address: str | None, kind: str) -> str:
    """Return an external address and what it is: `203.0.113.7 (public)`."""
    return f"{address} ({KINDS.get(kind, kind)})" if address else NOT_KNOWN


def mapping_port(mapping: dict[str, Any]) -> str:
    """Return the granted external port of a mapping, or else the desired one."""
    return port_text(mapping["external_port"] or mapping["wanted_external_port"], mapping["protocol"])


def gateways_in_use(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the gateways that hold leases, or else the best gateway that answered."""
    holders = {(m["backend"], m["gateway"]) for m in document["mappings"] if m["backend"]}
    known = document["gateways"]
    used = [gateway for gateway in known if (gateway["backend"], gateway["address"]) in holders]
    return used or known[:1]


def address_warnings(document: dict[str, Any]) -> list[str]:
    """Return why the internet does not reach open ports, each once: another NAT, or the provider's."""
    warnings = [
        gateway["detail"]
        for gateway in gateways_in_use(document)
        if gateway["detail"] and gateway.get("external_kind") in ("private", "cgnat")
    ]
    return list(dict.fromkeys(warnings))
