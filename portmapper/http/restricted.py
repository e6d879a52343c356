"""Limits what requests over TCP may open: a token is not the operator of this host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from portmapper.api.errors import RowError, SourceError, UsageError
from portmapper.control.daemon_interface import DaemonInterface, Document
from portmapper.network.host import Network, read_network
from portmapper.sources.adhoc import parse_records
from portmapper.sources.mapping_check import mapping_check
from portmapper.sources.policy import Policy
from portmapper.sources.trust import Trust

WHO = "the table [http]"


class Restricted:
    """A daemon whose `open` checks what the operator trusts tokens with; everything else is the daemon's."""

    def __init__(
        self,
        daemon: DaemonInterface,
        trust: frozenset[Trust],
        network: Callable[[], Network] = read_network,
    ) -> None:
        self._daemon = daemon
        self._trust = trust
        self._network = network

    def __getattr__(self, name: str) -> Any:
        return getattr(self._daemon, name)

    async def open(self, records: object) -> Document:
        """Keep these mappings open if `[http] trust` allows what they choose. Raises `UsageError`."""
        check = mapping_check(Policy(), self._trust, self._network, needed_in=WHO)
        for mapping in parse_records(records):
            try:
                check(mapping)
            except (RowError, SourceError) as error:
                raise UsageError(f"{mapping.protocol} {mapping.port or 'any'}: {error}") from None
        return await self._daemon.open(records)
