"""Quirks of the table: how its entries are listed and found."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from portmapper_simulator.errors import Fault
from portmapper_simulator.gateway_points import TABLES
from portmapper_simulator.quirk_points import refuse_with
from portmapper_simulator.upnp_points import CALL, FREE_PORT, LIST_END, LISTING, NEWEST_FIRST, ROW, Call

PLACEHOLDER = {
    "NewInternalPort": "0",
    "NewInternalClient": "",
    "NewEnabled": "0",
    "NewPortMappingDescription": "",
    "NewLeaseDuration": "0",
}
"""The fields of an entry that no host holds."""

_LISTING = ("GetGenericPortMappingEntry", "GetListOfPortMappings")
_OF_ONE_ENTRY = ("GetSpecificPortMappingEntry", "DeletePortMapping")

CALL.quirk("M11-unreadable", "does not support listing (501)")(
    refuse_with(501, lambda call: call.action in _LISTING)
)


@CALL.quirk("M11-from-1", "counts the entries of its table from 1")
def _counts_from_one(call: Call) -> Call:
    if call.action != "GetGenericPortMappingEntry":
        return call
    index = int(call.arguments["NewPortMappingIndex"]) - 1
    if index < 0:
        raise Fault(713)
    return attrs.evolve(call, arguments={**call.arguments, "NewPortMappingIndex": str(index)})


NEWEST_FIRST.quirk("newest-first", "lists the newest mapping first")(lambda _: True)
LIST_END.quirk("M11-714", "ends a listing with 714")(lambda _: 714)
LIST_END.quirk("M11-402", "ends a listing with 402")(lambda _: 402)
LIST_END.quirk("M11-501", "ends a listing with 501")(lambda _: 501)
LIST_END.quirk("M20", "ends a listing with 401")(lambda _: 401)
LIST_END.bundle("M11", "ends a listing with 402, as M11-402", "M11-402")


@LISTING.quirk("M11-endless", "lists entries endlessly")
def _endless(rows: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return rows + (("TCP", "again"),) * 70_000


@LISTING.quirk("show-dummy-rule", "lists a rule without a port before the real entries")
def _dummy_rule(rows: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return (*rows, ("UDP", "dummy rule"))


TABLES.quirk("tables-apart", "has separate tables for UPnP and for PCP and NAT-PMP (729)")(lambda _: False)


@CALL.quirk("M17", "shows none of its entries (714, 713)")
def _hidden(call: Call) -> Call:
    hidden = {"GetSpecificPortMappingEntry": 714, "GetGenericPortMappingEntry": 713}
    if call.action in hidden:
        raise Fault(hidden[call.action])
    return call


FREE_PORT.quirk("M18", "shows an empty entry for a free port")(lambda _: PLACEHOLDER)
CALL.quirk("M29")(
    refuse_with(714, lambda call: call.action in _OF_ONE_ENTRY and call.arguments.get("NewRemoteHost") == "")
)


@ROW.quirk("M29", "shows the remote host * for every host, and finds an entry only with it")
def _star(fields: Mapping[str, str]) -> Mapping[str, str]:
    return {**fields, "NewRemoteHost": fields["NewRemoteHost"] or "*"}


CALL.quirk("M29-listed", "finds no single entry (714), and shows it in the listing")(
    refuse_with(714, lambda call: call.action == "GetSpecificPortMappingEntry")
)


@ROW.quirk("M30", "shows the protocol TCP/UDP in its entries")
def _both_protocols(fields: Mapping[str, str]) -> Mapping[str, str]:
    return {**fields, "NewProtocol": "TCP/UDP"}


@ROW.quirk("M30-both", "shows the protocol BOTH in its entries")
def _both(fields: Mapping[str, str]) -> Mapping[str, str]:
    return {**fields, "NewProtocol": "BOTH"}
