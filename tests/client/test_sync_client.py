"""`portmapper.SyncClient` with the embedded gateway."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import portmapper
from portmapper.api.errors import NoGateway, UsageError


def test_a_port_is_open_inside_the_block(gateway: Any, options: dict[str, Any]) -> None:
    """As with the asynchronous client."""
    with portmapper.SyncClient(**options) as client:
        lease = client.open(8080)
        assert (gateway.ports(), lease.external_port, lease.state) == ({8080}, 8080, "active")
        lease.close()
        assert gateway.ports() == set()
        client.open(8082)
    assert gateway.ports() == set()


def test_the_thread_ends_with_the_block(options: dict[str, Any]) -> None:
    """Also if the block cannot be entered."""

    def is_running() -> bool:
        return "portmapper" in {thread.name for thread in threading.enumerate()}

    with portmapper.SyncClient(**options):
        assert is_running()
    with pytest.raises(ValueError, match="none"), portmapper.SyncClient(backend=["none"]):
        pass
    assert not is_running()


def test_a_lease_can_be_closed_after_the_block(options: dict[str, Any]) -> None:
    """It is closed already, and has no more changes."""
    with portmapper.SyncClient(**options) as client:
        lease = client.open(8080)
    lease.close()
    assert (lease.state, list(lease.changes())) == ("closed", [])


def test_a_client_cannot_be_entered_twice(options: dict[str, Any]) -> None:
    """The first block would lose its leases."""
    with portmapper.SyncClient(**options) as client:
        with pytest.raises(UsageError, match="create another client"):
            client.__enter__()
        client.open(8080)
    with client:  # after its end, it can be used again
        assert client.mappings() == []


def test_errors_reach_the_caller(silence: Any) -> None:
    """As exceptions of the same types as those of the asynchronous client."""
    with pytest.raises(UsageError, match="inside"):
        portmapper.SyncClient().open(80)
    with portmapper.SyncClient(gateway=[silence[1]], backend=["pcp"]) as client:
        with pytest.raises(NoGateway):
            client.open(8080)
        with pytest.raises(ValueError, match="port must be"):
            client.open(70000)
        with pytest.raises(TypeError, match="comment must be text"):
            client.open(8080, comment=5)  # type: ignore[arg-type]


def test_leases_can_be_listed_shared_and_awaited(options: dict[str, Any]) -> None:
    """With the same names as those of the asynchronous client."""
    with portmapper.SyncClient(**options) as client:
        lease = client.open(8080, wait=False)
        assert isinstance(lease, portmapper.Lease)
        assert client.mappings() == [lease]
        assert [gateway.backend for gateway in client.discover()] == ["pcp"]
        assert str(client.external_address()) == "11.22.33.44"
        assert repr(client) == "<SyncClient: 1 lease>"
        client.close(lease)
        assert (lease.state, client.mappings()) == ("closed", [])


def test_changes_are_an_iterator_and_a_call_in_another_thread(options: dict[str, Any]) -> None:
    """A function may use the client and block; a coroutine function may not."""
    called = threading.Event()
    errors: list[Exception] = []

    def closing(lease: Any, event: Any) -> None:
        lease.close()
        called.set()

    async def wrong(lease: Any, event: Any) -> None:
        try:
            lease.close()
        except UsageError as error:
            errors.append(error)

    with portmapper.SyncClient(**options) as client:
        client.open(8080, on_change=closing)
        assert called.wait(60)
        changes = client.open(8081, on_change=wrong).changes()
        (lease,) = client.mappings()
        lease.close()
        assert [event.kind for event in changes] == ["closed"]
    assert "use Client" in str(errors[0])
