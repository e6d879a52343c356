"""The two protocols of one port, as a gateway that confuses them needs them to be asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from portmapper.entry import Entry
from portmapper.ledger import Ledger
from portmapper.model import Mapping, Protocol
from portmapper.store import Store
from portmapper.twins import Twins

Wanted = Callable[..., Mapping]


@pytest.mark.parametrize("doubtful", [True, False])
def test_who_is_granted_first_after_a_restart_is_the_elder_from_then_on(
    wanted: Wanted, doubtful: bool
) -> None:
    """The other one is renewed after it; without a restart the order stays."""
    tcp = Entry(wanted(), opened_at=datetime(2026, 1, 1, tzinfo=UTC), doubtful=doubtful)
    udp = Entry(wanted(protocol=Protocol.UDP), opened_at=datetime(2026, 1, 2, tzinfo=UTC), doubtful=doubtful)
    store, begun = Store(None), list[Entry]()
    entries = {entry.mapping.key: entry for entry in (tcp, udp)}
    twins = Twins(entries, set(), Ledger(store, None), begin=begun.append, plan=begun.append)
    twins.granted(udp)
    twins.after_renewal(udp)
    twins.after_renewal(tcp)
    assert begun == ([tcp] if doubtful else [udp])
    store.close()
