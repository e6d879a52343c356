"""Pairs of mappings that open one port for both protocols, and how miniupnpd confuses them.

miniupnpd 2.3.1 on nftables keeps the filter rules of a port as a stack and ignores their protocol. A renewal
over PCP or NAT-PMP removes the top rule and pushes its own. A release removes the top rule. So the renewal of
the older one of `80/tcp` and `80/udp`, whose rule lies below, closes the newer one until that is renewed too.
A renewal over UPnP leaves the stack as it is: the newer one must be closed and reopened (`anew`).

The order of opening shows whose rule lies below. After a restart, or after a request whose answer was lost,
the order is unknown and no renewal repairs it. `portmapper.scheduler.rule_order` restores it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from portmapper.api.model import Lease, MappingKey, Protocol
from portmapper.scheduler.lease_state import LeaseState
from portmapper.store.ownership import Ownership


class ProtocolPairs:
    """Finds an entry's counterpart, and has it renewed if the gateway may have closed it."""

    def __init__(
        self,
        entries: Mapping[MappingKey, LeaseState],
        ownership: Ownership,
        *,
        begin: Callable[[LeaseState], None],
        plan: Callable[[LeaseState], None],
    ) -> None:
        """Keep the collaborators.

        Args:
            entries: desired mappings by key.
            ownership: knows whose lease is open on a port.
            begin: begins a round now, unless one is under way.
            plan: begins a round soon; if one is under way, after it.
        """
        self._entries = entries
        self._ownership = ownership
        self._begin = begin
        self._plan = plan

    def counterpart(self, entry: LeaseState) -> LeaseState | None:
        """Return the entry for the same port and the other protocol."""
        other = Protocol.UDP if entry.mapping.protocol is Protocol.TCP else Protocol.TCP
        return self._entries.get((other, *entry.mapping.key[1:]))

    def newer(self, entry: LeaseState) -> LeaseState | None:
        """Return the counterpart if it was opened after the entry, so that the entry's renewal closes it."""
        counterpart = self.counterpart(entry)
        return counterpart if counterpart and _is_older(entry, counterpart) else None

    def renew_newer(self, entry: LeaseState) -> None:
        """Renew the newer counterpart right after the older one.

        If the older one was renewed over another protocol, the newer one has lost its filter rule and must be
        reopened. If both are renewed over UPnP, it has not.
        """
        counterpart = self.newer(entry)
        if counterpart:
            counterpart.anew = counterpart.anew or _have_two_backends(entry.lease, counterpart.lease)
            self._begin(counterpart)

    def reopen_after_release(self, released: Lease) -> None:
        """Reopen the counterpart of a released lease at once, also if it is still being adopted.

        The adopting entry may still hold a lease on another gateway. And the released port may have been
        opened again meanwhile, so that the order is unknown.
        """
        counterpart = self._ownership.counterpart_of(released)
        if counterpart is None:
            return
        for entry in self._entries.values():
            if _holds(entry, counterpart) or _may_adopt(entry, counterpart):
                entry.anew = entry.order_unknown = True
                self._plan(entry)


def _holds(entry: LeaseState, lease: Lease) -> bool:
    return entry.lease is not None and entry.lease.token == lease.token


def _may_adopt(entry: LeaseState, lease: Lease) -> bool:
    mapping = entry.mapping
    ports = (mapping.protocol, mapping.port or lease.external_port, mapping.internal_port)
    return ports == (lease.protocol, lease.external_port, lease.internal_port)


def _have_two_backends(one: Lease | None, other: Lease | None) -> bool:
    return one is not None and other is not None and one.backend != other.backend


def _is_older(one: LeaseState, other: LeaseState) -> bool:
    return one.opened_at is not None and other.opened_at is not None and one.opened_at < other.opened_at
