"""Who holds an external port, as far as the gateway reports it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from portmapper.api import BackendError, MapRequest, TableEntry
from portmapper_upnp.connection import WanConnection, remote_host
from portmapper_upnp.table import read_table

_log = logging.getLogger(__name__)


class PortHolders:
    """The holders of the ports that a request may use."""

    def __init__(self, connection: WanConnection, request: MapRequest, comment: Callable[[], str]) -> None:
        self._connection = connection
        self._request = request
        self._comment = comment

    async def find(self, port: int) -> TableEntry | None:
        """Return the entry of a port; None if there is none or the gateway does not report it."""
        try:
            return await self._entry(port)
        except BackendError as error:
            _log.debug("the gateway does not report the holder of port %d: %s", port, error)
            return None

    async def _entry(self, port: int) -> TableEntry | None:
        """Return the entry for our remote host, else the one for every host."""
        remote = remote_host(self._request)
        entry = await self._connection.optional_entry(self._request.protocol, port, remote)
        if entry is None and remote:
            entry = await self._connection.optional_entry(self._request.protocol, port)
        return entry

    async def other_port(self, port: int) -> int | None:
        """Return another external port that leads to the internal port, if this mapping was open there (M35).

        It was, if it is the lease that is renewed, or if the entry has our description: another program may
        have mapped the same internal port.
        """
        request = self._request
        try:
            entries = await self._connection.optional("table", lambda: read_table(self._connection))
        except BackendError as error:
            _log.debug("the gateway does not show its table: %s", error)
            return None
        target = (request.protocol, request.internal_address, request.internal_port)
        held = request.held.external_port if request.held is not None else None
        for entry in entries:
            is_same = (entry.protocol, entry.internal_address, entry.internal_port) == target
            was_ours = entry.external_port == held or entry.comment == self._comment()
            if is_same and was_ours and entry.external_port != port:
                return entry.external_port
        return None

    def is_ours(self, holder: TableEntry) -> bool:
        """Tell whether the entry is the requesting host's, or our lease's at a former address (M16)."""
        request, held = self._request, self._request.held
        if holder.internal_address is None:  # a host name: compare port and comment instead
            return holder.internal_port == request.internal_port and holder.comment == self._comment()
        if held is not None and holder.external_port == held.external_port:
            ours = (held.internal_address, held.internal_port)
            if (holder.internal_address, holder.internal_port) == ours:
                return True
        return holder.internal_address == request.internal_address
