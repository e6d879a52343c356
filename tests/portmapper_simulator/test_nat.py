"""Conflicts, rules and limits of the NAT, without sockets."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from portmapper.api.model import Protocol
from portmapper_simulator.errors import Reason, Refused
from portmapper_simulator.nat import Nat
from portmapper_simulator.settings import Rule, Settings
from portmapper_simulator.table import Entry

ENTRY = Entry(Protocol.TCP, 9000, "192.168.0.2", 8080, "upnp")
OTHER_HOST = attrs.evolve(ENTRY, internal_address="192.168.0.3")


@pytest.fixture
async def new_nat() -> Callable[..., Nat]:
    """Return a function that creates a NAT with settings."""

    def make(separate_tables: bool = False, **settings: object) -> Nat:
        sees = (lambda mechanism, entry: entry.mechanism == mechanism) if separate_tables else lambda *_: True
        return Nat(attrs.evolve(Settings(relay=False), **settings), sees)

    return make


async def test_another_hosts_port_is_a_conflict(new_nat: Callable[..., Nat]) -> None:
    """The refusal contains the entry that holds the port."""
    nat = new_nat()
    await nat.open(ENTRY)
    with pytest.raises(Refused) as caught:
        await nat.open(OTHER_HOST)
    assert (caught.value.reason, caught.value.holder) == (Reason.CANNOT_PROVIDE_EXTERNAL, ENTRY)


async def test_another_port_is_granted_if_the_request_is_not_exact(new_nat: Callable[..., Nat]) -> None:
    """The next free port is used."""
    nat = new_nat()
    await nat.open(ENTRY)
    assert (await nat.open(OTHER_HOST, exact=False)).external_port == 9001


async def test_the_highest_port_is_followed_by_the_first_free_ones(new_nat: Callable[..., Nat]) -> None:
    """Privileged ports are never assigned."""
    nat = new_nat()
    await nat.open(attrs.evolve(ENTRY, external_port=65535))
    granted = await nat.open(attrs.evolve(OTHER_HOST, external_port=65535), exact=False)
    assert granted.external_port == 1025


async def test_over_upnp_a_client_may_change_its_internal_port(new_nat: Callable[..., Nat]) -> None:
    """Over PCP and NAT-PMP that is a different mapping, and a conflict."""
    nat = new_nat()
    await nat.open(ENTRY)
    moved = attrs.evolve(ENTRY, internal_port=8081)
    await nat.open(moved)
    assert list(nat.table) == [moved]
    with pytest.raises(Refused):
        await nat.open(attrs.evolve(ENTRY, mechanism="pcp"))


async def test_an_entry_of_a_separate_table_is_a_conflict(new_nat: Callable[..., Nat]) -> None:
    """A protocol cannot replace an entry that it cannot see."""
    nat = new_nat(separate_tables=True)
    await nat.open(ENTRY)
    with pytest.raises(Refused):
        await nat.open(attrs.evolve(ENTRY, mechanism="natpmp"))


async def test_a_full_table_still_renews(new_nat: Callable[..., Nat]) -> None:
    """Only new entries are refused."""
    nat = new_nat(max_mappings=1)
    await nat.open(ENTRY)
    await nat.open(ENTRY)
    with pytest.raises(Refused) as caught:
        await nat.open(attrs.evolve(ENTRY, external_port=9001))
    assert caught.value.reason is Reason.NO_RESOURCES


async def test_a_rule_denies_a_mapping(new_nat: Callable[..., Nat]) -> None:
    """A denied port is not replaced by another one."""
    nat = new_nat(rules=(Rule(allow=False, external_ports=(9000, 9000)),))
    with pytest.raises(Refused) as caught:
        await nat.open(ENTRY, exact=False)
    assert caught.value.reason is Reason.NOT_AUTHORIZED
