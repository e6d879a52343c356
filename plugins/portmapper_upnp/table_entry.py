"""Entries of a gateway's table, as gateways write them. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from portmapper.api import Protocol, TableEntry
from portmapper_upnp.soap_call import read_address, read_number

_PROTOCOLS = {
    "TCP": (Protocol.TCP,),
    "UDP": (Protocol.UDP,),
    "6": (Protocol.TCP,),
    "17": (Protocol.UDP,),
    **dict.fromkeys(("TCPUDP", "UDPTCP", "TCPANDUDP", "BOTH", "ALL", "ANY"), (Protocol.TCP, Protocol.UDP)),
}
"""Protocols without their punctuation; some gateways show numbers, or one entry for both (M30)."""

_PUNCTUATION = re.compile(r"[^A-Z0-9]")


def read_entries(answer: Mapping[str, str]) -> Sequence[TableEntry]:
    """Parse a table entry, which may be for both protocols; return nothing if it names no valid port."""
    port = read_number(answer.get("NewExternalPort", ""), 65535)
    protocols = _PROTOCOLS.get(_PUNCTUATION.sub("", answer.get("NewProtocol", "").upper()), ())
    comment = answer.get("NewPortMappingDescription", "") or answer.get("NewDescription", "")
    lifetime = answer.get("NewLeaseDuration", "") or answer.get("NewLeaseTime", "")
    return [
        TableEntry(
            protocol=protocol,
            external_port=port,
            internal_address=read_address(answer.get("NewInternalClient", "")),
            internal_port=read_number(answer.get("NewInternalPort", ""), 65535),
            comment=comment[:256],
            lifetime=read_number(lifetime, 2**32 - 1),
        )
        for protocol in protocols
        if port
    ]


def has_no_holder(answer: Mapping[str, str]) -> bool:
    """Tell whether an entry leads nowhere: Sagemcom routers show such placeholders for free ports (M18)."""
    client = answer.get("NewInternalClient", "").strip()
    address = read_address(client)
    leads_nowhere = not client or (address is not None and address.is_unspecified)
    return leads_nowhere or read_number(answer.get("NewInternalPort", ""), 65535) == 0


def is_disabled(answer: Mapping[str, str]) -> bool:
    """Tell whether an entry is switched off."""
    return answer.get("NewEnabled", "").strip().lower() in ("0", "false", "no")
