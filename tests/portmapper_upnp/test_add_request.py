"""Requests that are repeated with other values, or not at all."""

from __future__ import annotations

import pytest

from portmapper.api.errors import GatewayTimeout
from portmapper_upnp.add_request import AddRequest, Granted
from portmapper_upnp.behavior import DeviceBehavior
from portmapper_upnp.soap_fault import Fault


class SilentConnection:
    """A connection that leaves every AddPortMapping unanswered, and carries out the `opened` ones."""

    is_v2 = False

    def __init__(self, opened: int) -> None:
        self.opened = opened
        self.requests = 0

    async def add(self, _action, _arguments):
        """Count the request, and do not answer."""
        self.requests += 1
        raise GatewayTimeout("no answer")

    async def optional_entry(self, _protocol, _port, _remote=""):
        """Return the entry once the request that opens the port was sent."""
        return self.entry if 0 < self.opened <= self.requests else None


def adding(connection, request, entry=None):
    """Return the request for a gateway about which nothing is known."""
    connection.entry = entry
    return AddRequest(connection, DeviceBehavior(), request, permanent=False)


@pytest.mark.parametrize("opened", [1, 2])
async def test_m21_a_request_without_an_answer_that_opened_the_port_is_a_success(
    request_for, own_entry, opened
):
    """The entry is looked up after each request, and the second request is the last one."""
    connection = SilentConnection(opened)
    granted = await adding(connection, request_for(), own_entry).add("AddPortMapping", 80)
    assert granted == Granted(80, 3600)
    assert connection.requests == opened


async def test_m21_a_request_without_an_answer_and_without_an_entry_fails(request_for):
    """Two requests are enough."""
    connection = SilentConnection(opened=0)
    with pytest.raises(GatewayTimeout):
        await adding(connection, request_for()).add("AddPortMapping", 80)
    assert connection.requests == 2


async def test_m21_an_unanswered_addanyportmapping_is_not_repeated(request_for):
    """AddPortMapping may work at the same gateway."""
    connection = SilentConnection(opened=1)
    with pytest.raises(Fault):
        await adding(connection, request_for()).add("AddAnyPortMapping", 80)
    assert connection.requests == 1
