"""The entry of one port: by its key, or in the listing on gateways that find none by the usual key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from portmapper.api import Protocol as Transport
from portmapper_upnp.soap_fault import ABSENT, Fault
from portmapper_upnp.table_entry import read_entries

MAX_LISTED = 128
"""Entries that are searched for one port; the table of a home gateway has fewer."""

_ANY_HOST = re.compile(r"\*|any|all|0\.0\.0\.0", re.IGNORECASE)
"""Remote hosts that mean every host, besides the empty one of the standard."""


class Calls(Protocol):
    """Something that calls an action of a service."""

    async def __call__(self, action: str, **arguments: str) -> Mapping[str, str]:
        """Call an action and return its output arguments. Raise `BackendError`."""


class EntryLookup:
    """Finds entries the way that the gateway can (M29).

    Attributes:
        any_host: how the gateway writes a remote host that means every host.
        finds: an entry has been found by its key in the usual form, so a missing one is not there.
    """

    def __init__(self, call: Calls) -> None:
        self._call = call
        self.any_host = ""
        self._only_listed = False
        self.finds = False

    def key(self, protocol: Transport, external_port: int, remote: str) -> dict[str, str]:
        """Return the arguments that identify an entry; an empty remote host means any host (M6)."""
        return {
            "NewRemoteHost": remote or self.any_host,
            "NewExternalPort": str(external_port),
            "NewProtocol": protocol.value,
        }

    async def find(self, protocol: Transport, external_port: int, remote: str) -> Mapping[str, str] | None:
        """Return the fields of an entry, None if there is none. Raise `BackendError`."""
        if self._only_listed and not remote:
            return await self._listed(protocol, external_port)
        try:
            key = self.key(protocol, external_port, remote)
            answer = await self._call("GetSpecificPortMappingEntry", **key)
        except Fault as fault:
            if fault.number in ABSENT:
                return None
            raise
        self.finds = self.finds or not remote
        return answer

    async def learn(self, protocol: Transport, external_port: int) -> bool:
        """Look for an entry in the listing; if it is there, find entries in that way from now on.

        The listing shows how the gateway writes a remote host that means every host. If it writes none, the
        gateway has no lookup by the key.
        """
        if self.finds:
            return False
        listed = await self._listed(protocol, external_port)
        if listed is None:
            return False
        self.any_host = listed.get("NewRemoteHost", "").strip()
        self._only_listed = not self.any_host
        return True

    async def _listed(self, protocol: Transport, external_port: int) -> Mapping[str, Any] | None:
        """Return the entry for every host in the listing. Raise `BackendError`."""
        for index in range(MAX_LISTED):
            try:
                fields = await self._call("GetGenericPortMappingEntry", NewPortMappingIndex=str(index))
            except Fault:
                if index == 0:
                    continue  # the first index may be 1 (M11)
                return None
            remote = fields.get("NewRemoteHost", "").strip()
            named = ((entry.protocol, entry.external_port) for entry in read_entries(fields))
            if (not remote or _ANY_HOST.fullmatch(remote)) and (protocol, external_port) in named:
                return fields
        return None
