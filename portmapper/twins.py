"""The two protocols of one port: whoever acts on the one has to think of the other.

miniupnpd 2.3.1 on nftables looks for a port's filter rule without its protocol, and takes the one that
was added last. So to renew or release the elder of `80/tcp` and `80/udp` closes the younger, until the
younger is renewed in its turn; and after a restart the two have to come in the order of their opening.
A renewal over UPnP leaves the rules as they are: there the younger is closed and opened again (`anew`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from portmapper.entry import Entry
from portmapper.ledger import Ledger
from portmapper.model import Lease, MappingKey, Protocol


class Twins:
    """Finds an entry's twin, and has it renewed where the gateway may have closed it."""

    def __init__(
        self,
        entries: Mapping[MappingKey, Entry],
        active: Collection[Entry],
        ledger: Ledger,
        *,
        begin: Callable[[Entry], None],
        plan: Callable[[Entry], None],
    ) -> None:
        """Prepare.

        Args:
            entries: what is wanted, by key.
            active: the entries in a round.
            ledger: knows whose lease stands at a port.
            begin: begins a round now.
            plan: begins a round soon, after the one that may be under way.
        """
        self._entries = entries
        self._active = active
        self._ledger = ledger
        self._begin = begin
        self._plan = plan

    def has_twin(self, entry: Entry) -> bool:
        """Tell whether its renewal takes another's with it."""
        return self._of(entry) is not None

    def before(self, entry: Entry) -> None:
        """Begin an elder twin that got no answer yet first.

        Else a table that is empty by now would get them the other way round.
        """
        twin = self._of(entry)
        if twin and _is_elder(twin, entry) and twin.is_unanswered and twin not in self._active:
            self._begin(twin)

    def granted(self, entry: Entry) -> None:
        """Note who was granted first since the gateway restarted: in its new table that one is the elder.

        The younger overtakes when its request was under way as the gateway went down.
        """
        twin = self._of(entry)
        if twin and entry.doubtful and twin.doubtful and _is_elder(twin, entry):
            entry.opened_at, twin.opened_at = twin.opened_at, entry.opened_at

    def after_renewal(self, entry: Entry) -> None:
        """Renew the younger one right after the elder.

        What another protocol renewed has lost its filter rule; what the same one did, UPnP that is, has not.
        """
        twin = self._of(entry)
        if twin and _is_elder(entry, twin):
            twin.anew = twin.anew or _are_of_two_protocols(entry.lease, twin.lease)
            if twin not in self._active:
                self._begin(twin)

    def after_release(self, released: Lease) -> None:
        """Open at once what stands at the port by the other protocol, or is being adopted there."""
        twin = self._ledger.twin_of(released)
        if twin is None:
            return
        for entry in self._entries.values():
            if _holds(entry, twin) or (entry.lease is None and _may_adopt(entry, twin)):
                entry.anew = True
                self._plan(entry)

    def _of(self, entry: Entry) -> Entry | None:
        other = Protocol.UDP if entry.mapping.protocol is Protocol.TCP else Protocol.TCP
        return self._entries.get((other, *entry.mapping.key[1:]))


def _holds(entry: Entry, lease: Lease) -> bool:
    return entry.lease is not None and entry.lease.token == lease.token


def _may_adopt(entry: Entry, lease: Lease) -> bool:
    mapping = entry.mapping
    ports = (mapping.protocol, mapping.port or lease.external_port, mapping.internal_port)
    return ports == (lease.protocol, lease.external_port, lease.internal_port)


def _are_of_two_protocols(one: Lease | None, other: Lease | None) -> bool:
    return one is not None and other is not None and one.backend != other.backend


def _is_elder(one: Entry, other: Entry) -> bool:
    return one.opened_at is not None and other.opened_at is not None and one.opened_at < other.opened_at
