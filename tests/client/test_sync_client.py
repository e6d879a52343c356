"""`portmapper.SyncClient` with the embedded gateway."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import portmapper
from portmapper.api.errors import NoGateway, UsageError
from portmapper.api.model import MappingState


def test_a_port_is_open_inside_the_block(gateway: Any, options: dict[str, Any]) -> None:
    """As with the asynchronous client."""
    with portmapper.SyncClient(**options) as client:
        lease = client.open(8080)
        assert (gateway.ports(), lease.external_port, lease.state) == ({8080}, 8080, MappingState.ACTIVE)
        lease.close()
        assert gateway.ports() == set()
        client.open(8082)
    assert gateway.ports() == set()


def test_the_thread_ends_with_the_block(options: dict[str, Any]) -> None:
    """Also if the block cannot be entered."""
    before = threading.active_count()
    with portmapper.SyncClient(**options):
        assert threading.active_count() > before
    with pytest.raises(UsageError), portmapper.SyncClient(backend=["none"]):
        pass
    assert "portmapper" not in {thread.name for thread in threading.enumerate()}


def test_errors_reach_the_caller(silence: Any) -> None:
    """As exceptions of the same types as those of the asynchronous client."""
    with pytest.raises(UsageError, match="inside"):
        portmapper.SyncClient().open(80)
    with portmapper.SyncClient(gateway=[silence[1]], backend=["pcp"]) as client:
        with pytest.raises(NoGateway):
            client.open(8080)
        with pytest.raises(UsageError):
            client.open(70000)
