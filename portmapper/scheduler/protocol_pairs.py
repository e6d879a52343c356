"""The two protocols of one port: whoever acts on the one has to think of the other.

miniupnpd 2.3.1 on nftables keeps the filter rules of a port in one pile, without their protocol. A renewal
over PCP or NAT-PMP takes the topmost away and puts its own on; a release takes the topmost away. So to renew
the elder of `80/tcp` and `80/udp`, whose rule lies below, closes the younger until that one is renewed in its
turn. A renewal over UPnP leaves the pile as it is: there the younger is closed and opened again (`anew`).

Who lies below is told by the order of opening. After a restart, or a request whose answer was lost, it is not
known any more, and no renewal mends it: `portmapper.scheduler.rule_order` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from portmapper.api.model import Lease, MappingKey, Protocol
from portmapper.scheduler.lease_state import LeaseState
from portmapper.store.ownership import Ownership


class ProtocolPairs:
    """Finds an entry's twin, and has it renewed where the gateway may have closed it."""

    def __init__(
        self,
        entries: Mapping[MappingKey, LeaseState],
        ownership: Ownership,
        *,
        begin: Callable[[LeaseState], None],
        plan: Callable[[LeaseState], None],
    ) -> None:
        """Prepare.

        Args:
            entries: what is wanted, by key.
            ownership: knows whose lease stands at a port.
            begin: begins a round now, unless one is under way.
            plan: begins a round soon, after the one that may be under way.
        """
        self._entries = entries
        self._ownership = ownership
        self._begin = begin
        self._plan = plan

    def of(self, entry: LeaseState) -> LeaseState | None:
        """Return what is wanted at the same port by the other protocol."""
        other = Protocol.UDP if entry.mapping.protocol is Protocol.TCP else Protocol.TCP
        return self._entries.get((other, *entry.mapping.key[1:]))

    def younger(self, entry: LeaseState) -> LeaseState | None:
        """Return what its renewal closes."""
        counterpart = self.of(entry)
        return counterpart if counterpart and _is_elder(entry, counterpart) else None

    def renew_younger(self, entry: LeaseState) -> None:
        """Renew the younger one right after the elder.

        What another protocol renewed has lost its filter rule; what the same one did, UPnP that is, has not.
        """
        counterpart = self.younger(entry)
        if counterpart:
            counterpart.anew = counterpart.anew or _are_of_two_protocols(entry.lease, counterpart.lease)
            self._begin(counterpart)

    def reopen_after_release(self, released: Lease) -> None:
        """Open at once what stands at the port by the other protocol, or is being adopted there.

        Who adopts it may still hold what another gateway opened meanwhile; and what was released may be open
        again by now, so that the order is in doubt.
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


def _are_of_two_protocols(one: Lease | None, other: Lease | None) -> bool:
    return one is not None and other is not None and one.backend != other.backend


def _is_elder(one: LeaseState, other: LeaseState) -> bool:
    return one.opened_at is not None and other.opened_at is not None and one.opened_at < other.opened_at
