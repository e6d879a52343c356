"""Actions of the WAN connection services over plain HTTP."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from portmapper.api.model import Protocol

KEY = {"NewRemoteHost": "", "NewProtocol": "TCP"}


async def test_version_1_has_only_version_1(start: Any, fetch: Any, add: Any) -> None:
    """It has no AddAnyPortMapping, and a lease of 0 is permanent."""
    gateway = await start(igd_version=1, relay=False)
    assert "WANIPConnection:2" not in (await fetch(gateway, "/rootDesc.xml")).text
    assert (await add(gateway, 8080, "AddAnyPortMapping")).value("errorCode") == "401"
    await add(gateway, 8080, NewLeaseDuration=0)
    assert gateway.table.get(Protocol.TCP, 8080).expires_at is None


async def test_a_mapping_is_added_listed_and_deleted(start: Any, add: Any, soap: Any) -> None:
    """It is listed by index, by key and as a list."""
    gateway = await start(relay=False)
    assert (await add(gateway, 8080, NewPortMappingDescription="a &amp; b &lt;c&gt;")).status == 200
    by_index = await soap(gateway, "GetGenericPortMappingEntry", NewPortMappingIndex=0)
    assert by_index.value("NewPortMappingDescription") == "a &amp; b &lt;c&gt;"
    assert by_index.value("NewLeaseDuration") == "600"
    by_key = await soap(gateway, "GetSpecificPortMappingEntry", **KEY, NewExternalPort=8080)
    assert by_key.value("NewInternalClient") == "127.0.0.1"
    span = {"NewStartPort": 1, "NewEndPort": 65535, "NewProtocol": "TCP", "NewManage": 0}
    listed = await soap(gateway, "GetListOfPortMappings", **span, NewNumberOfPorts=0)
    assert listed.value("p:NewExternalPort") == "8080"
    assert (await soap(gateway, "DeletePortMapping", **KEY, NewExternalPort=8080)).status == 200
    gone = await soap(gateway, "DeletePortMapping", **KEY, NewExternalPort=8080)
    assert (gone.status, gone.value("errorCode")) == (500, "714")
    end = await soap(gateway, "GetGenericPortMappingEntry", NewPortMappingIndex=0)
    assert end.value("errorCode") == "713"


async def test_version_2_leases_expire(start: Any, add: Any) -> None:
    """0 means one week, which is also the maximum."""
    gateway = await start(relay=False)
    for port, lifetime in ((8080, 0), (8081, 10**6)):
        await add(gateway, port, NewLeaseDuration=lifetime)
        assert gateway.table.remaining(gateway.table.get(Protocol.TCP, port)) == 604_800


async def test_another_hosts_port_is_a_conflict(start: Any, add: Any) -> None:
    """AddPortMapping answers 718, AddAnyPortMapping takes the next port; the holder may change its own."""
    gateway = await start(relay=False)
    await add(gateway, 8080)
    assert (await add(gateway, 8080, client="127.0.0.7")).value("errorCode") == "718"
    other = await add(gateway, 8080, "AddAnyPortMapping", client="127.0.0.7")
    assert other.value("NewReservedPort") == "8081"
    assert (await add(gateway, 8080, NewInternalPort=9090)).status == 200
    assert gateway.table.get(Protocol.TCP, 8080).internal_port == 9090


async def test_a_port_that_a_program_holds_is_a_conflict(gateway: Any, add: Any, stack: Any) -> None:
    """The relay cannot open it, and the table has no entry."""
    import socket

    held = stack.enter_context(socket.create_server(("127.0.0.2", 0)))
    port = held.getsockname()[1]
    assert (await add(gateway, port)).value("errorCode") == "718"
    assert len(gateway.table) == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"NewExternalPort": 0}, "716"),
        ({"NewInternalPort": 0}, "732"),
        ({"NewInternalPort": 65536}, "402"),
        ({"NewInternalPort": "80.5"}, "402"),
        ({"NewProtocol": "tcp"}, "402"),
        ({"NewInternalClient": "here"}, "402"),
        ({"NewInternalClient": ""}, "402"),
        ({"NewRemoteHost": "1.2.3"}, "402"),
        ({"NewLeaseDuration": -1}, "402"),
        ({"Extra": 1}, "402"),
    ],
)
async def test_bad_arguments_get_their_error(gateway: Any, add: Any, changes: Any, code: str) -> None:
    """Each has the error code of the standard."""
    assert (await add(gateway, 8080, **changes)).value("errorCode") == code


async def test_an_entry_for_a_remote_host_is_found_under_its_name(start: Any, add: Any, soap: Any) -> None:
    """An entry for every host is another one."""
    gateway = await start(relay=False)
    await add(gateway, 8080, NewRemoteHost="198.51.100.7")
    key = {"NewExternalPort": 8080, "NewProtocol": "TCP"}
    call = functools.partial(soap, gateway, "GetSpecificPortMappingEntry", "/ctl/WANIPConn1", **key)
    assert (await call(NewRemoteHost="")).value("errorCode") == "714"
    assert (await call(NewRemoteHost="198.51.100.7")).value("NewInternalPort") == "8080"


async def test_a_range_is_deleted(start: Any, add: Any, soap: Any) -> None:
    """Other ports stay; an empty range is error 730, a reversed one 733."""
    gateway = await start(relay=False)
    for port in (8080, 8081, 9090):
        await add(gateway, port)
    span = {"NewStartPort": 8000, "NewEndPort": 8999, "NewProtocol": "TCP", "NewManage": 0}
    assert (await soap(gateway, "DeletePortMappingRange", **span)).status == 200
    assert [entry.external_port for entry in gateway.table] == [9090]
    assert (await soap(gateway, "DeletePortMappingRange", **span)).value("errorCode") == "730"
    reverse = span | {"NewStartPort": 9999}
    assert (await soap(gateway, "DeletePortMappingRange", **reverse)).value("errorCode") == "733"
