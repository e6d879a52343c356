"""Whose entry a port has."""

from __future__ import annotations

import attrs
import pytest

from portmapper.api.errors import NetworkFailure
from portmapper_upnp.port_holders import PortHolders


def holders(connection, request):
    """Return the holders of a request with the description `web`."""
    return PortHolders(connection, request, lambda: "web")


@pytest.mark.parametrize(("comment", "ours"), [("web", True), ("game", False)])
def test_an_entry_with_a_host_name_is_ours_if_port_and_description_match(
    request_for, own_entry, comment, ours
):
    """Some gateways show a name in place of the address."""
    entry = attrs.evolve(own_entry, internal_address=None, comment=comment)
    assert holders(None, request_for()).is_ours(entry) is ours


async def test_a_port_has_no_known_holder_if_the_gateway_does_not_answer(request_for):
    """The query is optional: its failure does not end the request."""

    class Failing:
        async def optional_entry(self, *_arguments):
            raise NetworkFailure("broken")

    assert await holders(Failing(), request_for()).find(80) is None
