"""A gateway of which a quirk says that it never overwrites the entry of another host."""

from __future__ import annotations

import pytest

from portmapper.api.errors import Conflict
from portmapper.api.model import Trait

OTHER = "192.168.7.7"
TRAITS = frozenset({Trait.NEVER_OVERWRITES})


@pytest.fixture
async def gateway(router, connected, request_for):
    """Return the gateway with one port open, so that its first grant is verified."""
    gateway = await connected()
    await gateway.map(request_for(internal_port=79, external_port=79, traits=TRAITS))
    router.calls.clear()
    return gateway


async def test_opening_a_free_port_needs_no_query_before(router, gateway, request_for):
    """The holder is not queried first: the gateway refuses another host's port itself."""
    await gateway.map(request_for(traits=TRAITS))
    assert [action for action, _ in router.calls] == ["AddPortMapping", "GetSpecificPortMappingEntry"]


async def test_m3_another_hosts_port_is_a_conflict_with_its_holder(router, gateway, request_for):
    """The holder is queried after the refusal."""
    router.entry(80, OTHER)
    with pytest.raises(Conflict) as caught:
        await gateway.map(request_for(exact=True, traits=TRAITS))
    assert str(caught.value.holder.internal_address) == OTHER
    assert router.table["TCP", 80]["NewInternalClient"] == OTHER
    assert [action for action, _ in router.calls] == ["AddPortMapping", "GetSpecificPortMappingEntry"]


async def test_m3_the_next_port_is_tried_where_it_need_not_be_exact(router, gateway, request_for):
    """As at any other gateway."""
    router.entry(80, OTHER)
    assert (await gateway.map(request_for(traits=TRAITS))).external_port == 81
