"""Other daemons that keep the same ports open: with the policy `take`, two of them would fight for ever."""

from __future__ import annotations

import logging

from portmapper.api.model import ConflictPolicy, IPAddress, MappingKey, MapRequest, TableEntry

_log = logging.getLogger(__name__)


class Rivals:
    """The daemons on other hosts that were recognized, by the mapping that they keep open."""

    def __init__(self) -> None:
        self._known: dict[MappingKey, IPAddress] = {}

    def may_replace(self, key: MappingKey, policy: ConflictPolicy, *, held: bool, losses: int) -> bool:
        """Return whether a request may replace any entry without looking at it first.

        A lease that is renewed or that was lost may have been replaced by another daemon.
        """
        return policy is ConflictPolicy.TAKE and not held and losses == 0 and key not in self._known

    def recognize(self, key: MappingKey, request: MapRequest, holder: TableEntry) -> bool:
        """Return whether another daemon opened the entry that replaced ours, and log that once."""
        host = holder.internal_address
        if host is None or host == request.internal_address or not _is_same(request, holder):
            return False
        if self._known.get(key) != host:
            port = f"{holder.external_port}/{holder.protocol.lower()}"
            _log.warning(
                "%s is left to %s: a daemon there keeps the same mapping open, and replaced ours. Run one "
                "daemon, or use a guard",
                port,
                host,
            )
        self._known[key] = host
        return True


def _is_same(request: MapRequest, holder: TableEntry) -> bool:
    """Return whether the entry has our internal port and comment; gateways shorten comments."""
    if holder.internal_port != request.internal_port:
        return False
    ours, theirs = _significant(request.comment), _significant(holder.comment)
    return not ours or (theirs != "" and (ours.startswith(theirs) or theirs.startswith(ours)))


def _significant(comment: str) -> str:
    return "".join(c for c in comment if c.isascii() and c.isalnum()).lower()
