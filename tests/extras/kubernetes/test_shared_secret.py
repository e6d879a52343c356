"""The Secret of all replicas."""

from __future__ import annotations

import ipaddress

import pytest
from portmapper_kubernetes.api_errors import ApiFailure
from portmapper_kubernetes.api_server import ApiServer
from portmapper_kubernetes.shared_secret import NAME, SharedSecret

from portmapper.api import Protocol

from .conftest import SECRETS, FakeApi, answer

HOST = ipaddress.ip_address("192.168.88.50")


def _token(secret: SharedSecret) -> bytes | None:
    return secret.token("pcp:192.168.88.1", Protocol.TCP, HOST, 443)


async def test_two_replicas_choose_the_same_token(api: FakeApi, server: ApiServer) -> None:
    """The first one creates the key."""
    first, second = SharedSecret(server, "portmapper"), SharedSecret(server, "portmapper")
    assert _token(first) is None
    await first.load(1.0)
    await second.load(1.0)
    assert _token(first) == _token(second)
    assert len(_token(first) or b"") == 12
    assert api.count(f"POST /{SECRETS}") == 1


async def test_a_race_to_create_it_is_settled_by_the_server(api: FakeApi, server: ApiServer) -> None:
    """The loser reads the winner's key."""
    first, second = SharedSecret(server, "portmapper"), SharedSecret(server, "portmapper")
    await first.load(1.0)
    api.fail(f"GET /{SECRETS}/{NAME}", answer(404))
    await second.load(1.0)
    assert _token(first) == _token(second)


async def test_the_record_reaches_the_next_leader(api: FakeApi, server: ApiServer) -> None:
    """The key stays the same."""
    first, second = SharedSecret(server, "portmapper"), SharedSecret(server, "portmapper")
    await first.load(1.0)
    await first.save(b"record")
    await first.save(b"record 2")
    await second.load(1.0)
    assert second.record == b"record 2"
    assert _token(first) == _token(second)


async def test_a_leader_that_was_replaced_cannot_write(api: FakeApi, server: ApiServer) -> None:
    """The version has changed since it read the Secret."""
    first, second = SharedSecret(server, "portmapper"), SharedSecret(server, "portmapper")
    await first.load(1.0)
    await second.load(1.0)
    await second.save(b"new")
    with pytest.raises(ApiFailure) as caught:
        await first.save(b"old")
    assert caught.value.status == 409


async def test_without_permission_the_reason_is_reported(api: FakeApi, server: ApiServer) -> None:
    """Tokens are random then."""
    secret = SharedSecret(server, "portmapper")
    api.fail(SECRETS, answer(403, "secrets is forbidden"))
    with pytest.raises(ApiFailure, match="forbidden"):
        await secret.load(1.0)
    assert _token(secret) is None
