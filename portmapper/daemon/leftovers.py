"""Entries of this host at a port that was closed, which none of our leases explains."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence

from portmapper.actions.tables import lease_from_entry
from portmapper.api.backend import Gateway, ListsMappings
from portmapper.api.errors import BackendError
from portmapper.api.model import IPAddress, Protocol, TableEntry
from portmapper.gateways.bounded import bounded
from portmapper.gateways.calls import read_table

READ_LIMIT = 2.0
"""Seconds to read the tables; `close` waits that long at most."""

Port = tuple[Protocol, int]

_log = logging.getLogger(__name__)


async def close_leftovers(
    gateways: Iterable[Gateway], ports: Collection[Port], is_ours: Callable[[IPAddress], bool]
) -> dict[Port, str]:
    """Close entries of this host at these ports in every table; return why entries stay open, by port.

    Another protocol or an earlier run may have opened them. A table that cannot be read is skipped.
    """
    failures: dict[Port, str] = {}
    for gateway in gateways if ports else ():
        for entry in await _entries(gateway):
            port = (entry.protocol, entry.external_port)
            address = entry.internal_address
            if port not in ports or address is None or not is_ours(address):
                continue
            try:
                await bounded(gateway, gateway.unmap(lease_from_entry(entry, gateway, address)))
            except BackendError as error:
                failures[port] = str(error)
    return failures


async def _entries(gateway: Gateway) -> Sequence[TableEntry]:
    if not isinstance(gateway, ListsMappings):
        return ()
    try:
        async with asyncio.timeout(READ_LIMIT):
            return await read_table(gateway)
    except (BackendError, TimeoutError) as error:
        _log.debug("%s: cannot look for further entries: %s", gateway.identity, error)
        return ()
