"""Mappings of PCP and NAT-PMP: renewal, nonce and deletion."""

from __future__ import annotations

import attrs
import pytest

from portmapper.api.model import Protocol
from portmapper_simulator.errors import Reason, Refused
from portmapper_simulator.mapping import delete_mapping, grant_mapping
from portmapper_simulator.settings import Settings
from portmapper_simulator.state import State
from portmapper_simulator.udp_points import MappingRequest

HOST = "127.0.0.1"
REQUEST = MappingRequest("pcp", HOST, Protocol.TCP, HOST, 8080, 9000, 600, nonce=b"nonce-nonce-")


@pytest.fixture
async def state() -> State:
    """The state of a gateway that opens no sockets."""
    return State(Settings(relay=False, max_lifetime=1000))


async def test_a_renewal_keeps_the_external_port(state: State) -> None:
    """RFC 6887, section 11.3: the suggestion in a renewal is ignored."""
    await grant_mapping(state, REQUEST)
    renewed = await grant_mapping(state, attrs.evolve(REQUEST, external_port=9999))
    assert renewed.external_port == 9000
    assert len(state.nat.table) == 1


async def test_a_lifetime_is_limited(state: State) -> None:
    """The gateway grants at most its own maximum."""
    entry = await grant_mapping(state, attrs.evolve(REQUEST, lifetime=10**6))
    assert state.nat.table.remaining(entry) == 1000


async def test_prefer_failure_refuses_another_port_than_the_mapping_has(state: State) -> None:
    """Without the option, the renewal would keep the port."""
    await grant_mapping(state, REQUEST)
    with pytest.raises(Refused) as caught:
        await grant_mapping(state, attrs.evolve(REQUEST, external_port=9999, exact=True))
    assert caught.value.reason is Reason.CANNOT_PROVIDE_EXTERNAL


async def test_a_wrong_nonce_neither_renews_nor_deletes(state: State) -> None:
    """RFC 6887, section 11.3: only the client with the nonce may change the mapping."""
    await grant_mapping(state, REQUEST)
    other = attrs.evolve(REQUEST, nonce=b"other-nonce-")
    with pytest.raises(Refused):
        await grant_mapping(state, other)
    with pytest.raises(Refused) as caught:
        delete_mapping(state, other)
    assert caught.value.reason is Reason.NOT_AUTHORIZED
    assert len(state.nat.table) == 1


async def test_internal_port_0_deletes_all_of_a_protocol(state: State) -> None:
    """RFC 6886, section 3.4; mappings of other hosts and protocols stay."""
    request = attrs.evolve(REQUEST, mechanism="natpmp", nonce=b"")
    await grant_mapping(state, request)
    await grant_mapping(state, attrs.evolve(request, internal_port=8081, external_port=9001))
    await grant_mapping(state, attrs.evolve(request, protocol=Protocol.UDP))
    await grant_mapping(state, attrs.evolve(request, internal_address="127.0.0.9", external_port=9002))
    delete_mapping(state, attrs.evolve(request, internal_port=0))
    left = [(entry.protocol, entry.internal_address) for entry in state.nat.table]
    assert left == [(Protocol.UDP, HOST), (Protocol.TCP, "127.0.0.9")]
