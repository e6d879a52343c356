"""The documents of mappings that are held back, for `status`."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from portmapper.api.model import MappingKey, remote_text
from portmapper.sources.gates import HeldBack

Document = dict[str, Any]


def held_back_documents(
    held_back: Iterable[HeldBack], keys: Iterable[MappingKey] | None = None
) -> list[Document]:
    """Describe mappings that are held back, all of them or those with these keys."""
    known = None if keys is None else set(keys)
    return [_document(held) for held in held_back if known is None or held.mapping.key in known]


def _document(held: HeldBack) -> Document:
    """Return a document with the keys of `observability.status.mapping_document`."""
    mapping = held.mapping
    host = None if isinstance(mapping.address, IPv4Network | IPv6Network) else mapping.address
    return {
        "protocol": mapping.protocol.value,
        "internal_address": str(host) if host else None,
        "internal_port": mapping.internal_port,
        "wanted_external_port": mapping.port,
        "external_address": None,
        "external_port": None,
        "state": held.state.value,
        "backend": None,
        "gateway": mapping.gateway,
        "lifetime": None,
        "expires_at": None,
        "renews_at": None,
        "retries_at": None,
        "permanent": False,
        "family": mapping.family.value,
        "comment": mapping.comment,
        "remote": remote_text(mapping.remote) or None,
        "reachable": None,
        "source": mapping.source,
        "origin": mapping.origin,
        "error": held.reason,
        "passed_over": [],
        "opens_at": held.opens_at.isoformat() if held.opens_at else None,
        "closes_at": None,
    }
