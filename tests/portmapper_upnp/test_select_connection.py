"""Section S of the conformance list: the selection of a WAN connection."""

from __future__ import annotations

import pytest


@pytest.fixture
def two_connections(router, build):
    """Give the router two WAN connections of the same type in one device."""
    router.description = build.description(
        build.service("WANIPConnection:1", "/first"), build.service("WANIPConnection:1", "/second")
    )
    router.external = {"/first": "8.8.8.1", "/second": "8.8.8.2"}
    router.status = {"/first": "Connected", "/second": "Connected"}
    return router


async def test_s1_the_connected_one_is_used(two_connections, connected):
    """The first is down, although it still has an address."""
    two_connections.status["/first"] = "Disconnected"
    assert str(await (await connected()).external_address()) == "8.8.8.2"


@pytest.mark.parametrize("private", ["10.1.1.1", "100.64.0.1", "0.0.0.0", ""])
async def test_s2_the_public_address_is_preferred(two_connections, connected, private):
    """Both are connected."""
    two_connections.external["/first"] = private
    assert str(await (await connected()).external_address()) == "8.8.8.2"


@pytest.mark.parametrize("kind", ["WANIPConnection:1", "WANIPConnection:2", "WANPPPConnection:1"])
async def test_s3_the_type_found_is_used_in_every_call(router, connected, build, request_for, kind):
    """Each type of WAN connection."""
    router.description = build.description(build.service(kind))
    await (await connected()).map(request_for())
    actions = [head for head in router.heads if "SOAPAction" in head]
    assert actions
    assert all(f":{kind}#" in head for head in actions)


async def test_s4_a_fault_for_the_status_is_no_obstacle(two_connections, connected, request_for):
    """The service is used anyway."""
    two_connections.faults["GetStatusInfo"] = 401
    lease = await (await connected()).map(request_for())
    assert str(lease.external_address) == "8.8.8.1"


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "", "nonsense"])
async def test_s5_no_external_address_is_none(router, connected, address):
    """Not connected, in every spelling."""
    router.external["/control"] = address
    assert await (await connected()).external_address() is None


@pytest.mark.parametrize("address", ["192.168.0.5", "100.64.3.4"])
async def test_s6_a_private_external_address_is_reported(router, connected, request_for, address):
    """The port is opened, and the lease has the address."""
    router.external["/control"] = address
    assert str((await (await connected()).map(request_for())).external_address) == address
