"""One port mapping closed with DeletePortMapping, and checked if the answer is lost."""

from __future__ import annotations

import logging

from portmapper.api import BackendError, GatewayTimeout, Lease, TableEntry
from portmapper_upnp.connection import WanConnection, remote_host
from portmapper_upnp.soap_fault import Moved, Refused
from portmapper_upnp.verified_mapping import entry_leads_to

_log = logging.getLogger(__name__)


async def close_mapping(connection: WanConnection, lease: Lease) -> bool:
    """Delete our entry, even if the gateway does not show it (M17); leave another host's entry alone.

    Returns:
        whether our entry was deleted now.

    Raises:
        BackendError: it was not, as far as the gateway reports.
    """
    try:
        entry = await _entry(connection, lease)
    except BackendError as error:
        if isinstance(error, Moved | Refused):
            raise
        _log.debug("the gateway does not report the holder of port %d: %s", lease.external_port, error)
        return await _delete(connection, lease)
    if entry is None:
        deleted = await _delete(connection, lease)
        if deleted or not await connection.learns_to_find(lease.protocol, lease.external_port):
            return deleted
        entry = await _entry(connection, lease)
    if entry is None:
        return False
    if not entry_leads_to(entry, lease.internal_address, lease.internal_port):
        _log.debug("another host holds port %d now; not closing it", lease.external_port)
        return False
    return await _delete_shown(connection, lease)


async def _delete_shown(connection: WanConnection, lease: Lease) -> bool:
    """Delete an entry that the gateway shows. If the answer is an error, believe the table (M28)."""
    try:
        return await _delete(connection, lease)
    except BackendError as error:
        if isinstance(error, Moved | Refused):
            raise
        if await _entry(connection, lease) is None:
            return True
        if not isinstance(error, GatewayTimeout):
            raise
    return await _delete(connection, lease)  # by now the gateway's time limit is longer


async def _entry(connection: WanConnection, lease: Lease) -> TableEntry | None:
    return await connection.optional_entry(lease.protocol, lease.external_port, remote_host(lease))


async def _delete(connection: WanConnection, lease: Lease) -> bool:
    return await connection.delete(lease.protocol, lease.external_port, remote_host(lease))
