"""Pairs: the mappings of a row for TCP and UDP, which need the same external port.

A gateway may grant another port than the requested one if the row accepts any port, or with the policy
`next`. The halves of such a pair are requested in turn, and the second one asks for the port of the first.
If it gets another one, the first follows, and so on for a limited number of times.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as AnyMapping

from portmapper.api.model import ANY_PORT, ConflictPolicy, Family, Mapping, MappingKey, Protocol
from portmapper.scheduler.inputs import ChangePort, Input, PairChecked
from portmapper.scheduler.record import Record

MOVES = 6
"""Times that the halves of a pair move before different ports are accepted. A gateway that ignores the
requested port would move them forever."""

_OTHER = {Protocol.TCP: Protocol.UDP, Protocol.UDP: Protocol.TCP}


class Pairs:
    """Brings the halves of each pair to one external port."""

    def __init__(
        self,
        records: AnyMapping[MappingKey, Record],
        take: Callable[[MappingKey, Input], None],
        conflict: ConflictPolicy,
    ) -> None:
        """Know the records, and how to take an input; `conflict` applies to mappings without a policy."""
        self._records = records
        self._take = take
        self._conflict = conflict

    def partner(self, mapping: Mapping) -> tuple[MappingKey, Record] | None:
        """Return the other half of a pair whose port the gateway may choose; None if there is none."""
        if not self._may_move(mapping):
            return None
        key = (_OTHER[mapping.protocol], *mapping.key[1:])
        record = self._records.get(key)
        return None if record is None or not self._may_move(record.mapping) else (key, record)

    def port_to_request(self, record: Record) -> int:
        """Return the external port that a half of a pair needs; 0 if any will do."""
        if record.move_to:
            return record.move_to
        partner = self.partner(record.mapping)
        if record.lease is not None or partner is None or partner[1].lease is None:
            return 0
        return partner[1].lease.external_port

    def check(self, key: MappingKey, *, may_move: bool = True) -> None:
        """Compare a mapping with its partner after an attempt; if they differ, the partner follows it.

        Args:
            key: the mapping whose attempt has ended.
            may_move: it was granted; otherwise the gateway refused the port of its partner.
        """
        record = self._records[key]
        partner = self.partner(record.mapping)
        if partner is None:
            if record.apart:
                self._take(key, PairChecked())
            return
        other_key, other = partner
        if record.lease is None or other.lease is None or other.move_to or record.move_to:
            return
        if record.lease.external_port == other.lease.external_port:
            self._note(key, record, other_key, other, "")
        elif may_move and record.moves + other.moves < MOVES:
            self._take(other_key, ChangePort(record.lease.external_port))
        else:
            why = "the gateway grants no common port"
            self._note(key, record, other_key, other, why)

    def _note(self, key: MappingKey, record: Record, other_key: MappingKey, other: Record, why: str) -> None:
        """Note the result at both halves, if it is news."""
        for own, one, another in ((key, record, other), (other_key, other, record)):
            assert another.lease is not None, "both halves hold a lease"
            port = f"{another.lease.external_port}/{another.mapping.protocol.lower()}"
            apart = f"TCP and UDP have different ports, the other half has {port}: {why}" if why else ""
            if one.apart != apart or (not apart and one.moves):
                self._take(own, PairChecked(apart))

    def _may_move(self, mapping: Mapping) -> bool:
        policy = mapping.conflict or self._conflict
        chooses = mapping.port == ANY_PORT or policy is ConflictPolicy.NEXT
        return mapping.same_port and chooses and mapping.family is Family.IPV4
