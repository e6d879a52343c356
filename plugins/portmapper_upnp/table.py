"""The complete table of a gateway's mappings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from portmapper.api import BackendError, GatewayTimeout, PartialTable, Protocol, TableEntry
from portmapper_upnp.connection import WanConnection
from portmapper_upnp.lenient_xml import parse
from portmapper_upnp.soap_fault import (
    ACTION_FAILED,
    INDEX_OUT_OF_RANGE,
    INVALID_ARGUMENTS,
    LIST_EMPTY,
    NO_SUCH_ENTRY,
    Fault,
)
from portmapper_upnp.table_entry import read_entries

_log = logging.getLogger(__name__)

_IDENTITY = ("NewRemoteHost", "NewExternalPort", "NewProtocol", "NewInternalClient")

MAX_ENTRIES = 65_536
READ_TIME = 40.0
"""Seconds after which a slow gateway is asked for no further entry; what was read is a partial table."""

PAGE = 200
"""Entries requested at once, so that a page stays below the size limit of an answer."""

END = frozenset({INDEX_OUT_OF_RANGE, NO_SUCH_ENTRY, INVALID_ARGUMENTS, ACTION_FAILED, LIST_EMPTY})
"""Codes that gateways use for the end of the table (M11)."""


async def read_table(connection: WanConnection) -> Sequence[TableEntry]:
    """Read all entries one by one; if that fails, use the listing of a v2 gateway.

    A listing needs fewer requests, but a common gateway daemon crashes on a listing with more than 128
    entries, and then no mapping can be renewed.

    Raises:
        Fault: the gateway does not report its table.
    """
    try:
        return await _one_by_one(connection)
    except Fault as fault:
        if not connection.is_v2:
            raise
        _log.debug("the gateway does not return entries one by one: %s", fault)
    tables = [await _between(connection, protocol, 1, 65535) for protocol in Protocol]
    return [entry for table in tables for entry in table]


async def _one_by_one(connection: WanConnection) -> Sequence[TableEntry]:
    entries: list[TableEntry] = []
    seen: set[tuple[str | None, ...]] = set()
    end = _now() + READ_TIME
    for index in range(MAX_ENTRIES):
        if _now() > end:
            return _partial(entries, GatewayTimeout(f"it took longer than {READ_TIME:.0f} s"))
        try:
            answer = await connection.call("GetGenericPortMappingEntry", NewPortMappingIndex=str(index))
        except Fault as fault:
            if fault.number in END and index == 0:
                continue  # the table is empty, or its first index is 1 (M11)
            if fault.number in END:
                break
            return _partial(entries, fault)
        except BackendError as error:
            return _partial(entries, error)
        row = tuple(map(answer.get, _IDENTITY))
        if row in seen:  # some gateways repeat an entry for every index beyond the end
            break
        seen.add(row)
        entries += read_entries(answer)
    return entries


def _now() -> float:
    return asyncio.get_running_loop().time()


def _partial(entries: list[TableEntry], error: BackendError) -> PartialTable:
    """Return the entries that were read; raise the error if there is none (M20)."""
    if not entries:
        raise error
    _log.debug("the gateway's table may be incomplete after %d entries: %s", len(entries), error)
    return PartialTable(entries)


async def _between(connection: WanConnection, protocol: Protocol, first: int, last: int) -> list[TableEntry]:
    """Read the entries of a range of external ports; raise `Fault` if the gateway cannot list them.

    Pages are unordered, so a full page does not show which entries are missing. The range is therefore
    halved until no page is full.
    """
    try:
        page = await _page(connection, protocol, first, last)
    except Fault as fault:
        if fault.number == LIST_EMPTY:
            return []
        raise
    if len(page) < PAGE or first == last:
        return page
    middle = (first + last) // 2
    lower = await _between(connection, protocol, first, middle)
    return lower + await _between(connection, protocol, middle + 1, last)


async def _page(connection: WanConnection, protocol: Protocol, first: int, last: int) -> list[TableEntry]:
    answer = await connection.call(
        "GetListOfPortMappings",
        NewStartPort=str(first),
        NewEndPort=str(last),
        NewProtocol=protocol.value,
        NewManage="1",
        NewNumberOfPorts=str(PAGE),
    )
    listing = answer.get("NewPortListing", "")
    rows = list(parse(listing).iter("PortMappingEntry")) if "<" in listing else []
    fields = [{field.tag: field.text or "" for field in row} for row in rows]
    return [entry for row in fields for entry in read_entries(row) if entry.protocol is protocol]
