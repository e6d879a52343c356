"""One port that the provider chooses, which survives restarts."""

from __future__ import annotations

import json
import stat
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme
from aiohttp import web
from portmapper_pia import service as module
from portmapper_pia.backend import PiaBackend
from portmapper_pia.gateway import PiaGateway

from portmapper.api import (
    BackendError,
    Conflict,
    GatewayTimeout,
    MapRequest,
    NetworkFailure,
    NoResources,
    NotAuthorized,
    Protocol,
    Target,
    Unsupported,
)
from portmapper.support.backoff import renewal_delay

Find = Callable[..., Awaitable[PiaGateway]]


async def test_the_port_is_granted_and_bound(find: Find, server: Any, wanted: MapRequest) -> None:
    """The client connects to the gateway's address, and asks for the server's name in TLS."""
    gateway = await find()
    lease = await gateway.map(wanted)
    assert (lease.external_port, lease.internal_port, lease.permanent) == (47047, 51413, False)
    assert (server.granted, server.bound) == (1, [47047])
    assert set(server.names) == {"zurich407"}
    assert await gateway.external_address() is None


async def test_the_port_is_bound_every_15_minutes(find: Find, wanted: MapRequest) -> None:
    """The scheduler renews at 5/8 of the lifetime at the latest."""
    lease = await (await find()).map(wanted)
    delays = [renewal_delay(lease.lifetime, 0, 0) for _ in range(1000)]
    assert max(delays) <= 15 * 60
    assert min(delays) > 10 * 60


async def test_a_renewal_binds_the_same_port(find: Find, server: Any, wanted: MapRequest) -> None:
    """No new signature is requested."""
    gateway = await find()
    lease = await gateway.map(wanted)
    await gateway.map(attrs.evolve(wanted, held=lease))
    assert (server.granted, server.bound) == (1, [47047, 47047])


async def test_the_port_survives_a_restart(
    find: Find, server: Any, wanted: MapRequest, state_directory: Path
) -> None:
    """Also after the port was released, and without the token, which is valid for a day only."""
    gateway = await find()
    await gateway.unmap(await gateway.map(wanted))
    (state_directory / "token").unlink()
    assert (await (await find()).map(wanted)).external_port == 47047
    assert server.granted == 1
    kept = state_directory / "plugin-pia.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "kept", ["", "[1", "[]", "null", '{"payload": "e30=", "signature": "x"}', "[" * 9999]
)
async def test_a_damaged_file_leads_to_a_new_port(
    kept: str, find: Find, server: Any, wanted: MapRequest, state_directory: Path
) -> None:
    """The new signature replaces the file."""
    (state_directory / "plugin-pia.json").write_text(kept)
    assert (await (await find()).map(wanted)).external_port == 47047
    assert set(json.loads((state_directory / "plugin-pia.json").read_text())) == {"payload", "signature"}


async def test_a_port_that_expires_is_replaced(find: Find, server: Any, wanted: MapRequest) -> None:
    """The lease of the last minutes is short, so that the change is not late."""
    server.days = 10 / 1440
    gateway = await find()
    lease = await gateway.map(wanted)
    assert 0 < lease.lifetime <= 600
    server.days = 0.5 / 1440
    assert (await gateway.map(wanted)).external_port == 47047
    keeper: Any = gateway._keeper
    keeper._now = lambda: datetime.now(UTC) + timedelta(minutes=9.5)
    server.days = 62
    assert (await gateway.map(wanted)).external_port == 52001


async def test_tcp_and_udp_share_the_port(find: Find, server: Any, wanted: MapRequest) -> None:
    """A row for both protocols has one number."""
    gateway = await find()
    tcp = await gateway.map(wanted)
    udp = await gateway.map(attrs.evolve(wanted, protocol=Protocol.UDP, external_port=tcp.external_port))
    assert tcp.external_port == udp.external_port == 47047
    assert server.granted == 1


async def test_a_second_mapping_is_refused_until_the_first_is_released(
    find: Find, wanted: MapRequest
) -> None:
    """The reason names the mapping that uses the port."""
    gateway = await find()
    lease = await gateway.map(wanted)
    other = attrs.evolve(wanted, internal_port=8080, protocol=Protocol.UDP)
    with pytest.raises(NoResources, match="the VPN forwards one port, and 51413/tcp uses it"):
        await gateway.map(other)
    await gateway.unmap(lease)
    assert (await gateway.map(other)).external_port == 47047


async def test_a_new_address_of_this_host_takes_over_the_port(find: Find, wanted: MapRequest) -> None:
    """After the VPN connects again, the lease of the old address is released later."""
    gateway = await find()
    old = await gateway.map(wanted)
    new = attrs.evolve(wanted, internal_address=ip_address("10.4.128.9"))
    await gateway.map(new)
    await gateway.unmap(old)
    with pytest.raises(NoResources):
        await gateway.map(attrs.evolve(new, internal_port=8080))


async def test_a_port_that_was_not_granted_is_a_conflict(find: Find, server: Any, wanted: MapRequest) -> None:
    """Nothing is bound, and the message says what to write."""
    gateway = await find()
    with pytest.raises(Conflict, match='forwards only port 47047: set port = "any"'):
        await gateway.map(attrs.evolve(wanted, external_port=6881, exact=True))
    assert server.bound == []
    assert (await gateway.map(attrs.evolve(wanted, external_port=47047, exact=True))).external_port == 47047


async def test_after_three_refusals_another_port_is_requested(
    find: Find, server: Any, wanted: MapRequest
) -> None:
    """A single refusal may pass, and a new port must be announced to everyone."""
    gateway = await find()
    await gateway.map(wanted)
    server.bind_refusal = "internal error"
    for _ in range(3):
        with pytest.raises(NetworkFailure, match=r"does not forward port 47047: 'internal error'"):
            await gateway.map(wanted)
    server.bind_refusal = ""
    assert (await gateway.map(wanted)).external_port == 52001


async def test_an_invalid_token_is_refused(
    find: Find, server: Any, wanted: MapRequest, state_directory: Path
) -> None:
    """The token is read again for each attempt, and never part of a message."""
    (state_directory / "token").write_text("old")
    gateway = await find()
    with pytest.raises(NotAuthorized, match="zurich407 grants no port: 'invalid token'") as error:
        await gateway.map(wanted)
    assert "old" not in str(error.value)
    (state_directory / "token").write_text("geheim")
    assert (await gateway.map(wanted)).external_port == 47047


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"\xff\xfe", b"x" * 5000])
async def test_a_file_without_a_token_is_an_error(
    content: bytes, find: Find, server: Any, wanted: MapRequest, state_directory: Path
) -> None:
    """Nothing is sent then."""
    (state_directory / "token").write_bytes(content)
    gateway = await find()
    with pytest.raises(NotAuthorized, match="does not contain a token"):
        await gateway.map(wanted)
    assert server.granted == 0


async def test_another_server_is_not_trusted(find: Find, server: Any) -> None:
    """The certificate has another name; the token is not sent."""
    with pytest.raises(Unsupported, match=r"127\.0\.0\.1 does not prove to be berlin401"):
        await find(server="berlin401")
    assert server.granted == 0


async def test_another_authority_is_not_trusted(find: Find, tmp_path: Path) -> None:
    """Only the provider's authority counts, not those of the system."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    with pytest.raises(Unsupported, match="does not prove to be zurich407"):
        await find(ca=str(tmp_path / "other.pem"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot be read"), (b"\xff", "no certificate"), (b"", "no certificate")],
)
async def test_an_invalid_authority_is_an_error(
    content: bytes | None, reason: str, find: Find, tmp_path: Path
) -> None:
    """The message names the key."""
    if content is not None:
        (tmp_path / "other.pem").write_bytes(content)
    with pytest.raises(Unsupported, match=reason):
        await find(ca=str(tmp_path / "other.pem"))


async def test_the_certificate_is_verified_for_each_request(
    find: Find, server: Any, wanted: MapRequest
) -> None:
    """Another host may take over the gateway's address after the search."""
    gateway = await find()
    service: Any = gateway._service
    service._tls = module._tls_context(trustme.CA().cert_pem.bytes().decode())
    with pytest.raises(Unsupported, match="does not prove to be"):
        await gateway.map(wanted)
    assert server.granted == 0


BAD_BODIES = [
    b"",
    b"\xff\x00",
    b"[]",
    b"[" * 20_000,
    b'{"status": "OK"}',
    b'{"status": "OK", "payload": 1, "signature": "x"}',
    b'{"status": "OK", "payload": "%%%", "signature": "x"}',
    b'{"status": "OK", "payload": "W10=", "signature": "x"}',
    b'{"status": "OK", "payload": "' + b"A" * 9000 + b'", "signature": "x"}',
    b'{"status": "OK", "payload": "' + b"A" * 100_000,
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
async def test_an_invalid_answer_grants_no_port(
    body: bytes, find: Find, server: Any, wanted: MapRequest, state_directory: Path
) -> None:
    """It raises a backend error of one short line, and nothing is kept."""
    gateway = await find()
    server.answer = lambda _: web.Response(body=body)
    with pytest.raises(BackendError) as error:
        await gateway.map(wanted)
    assert len(str(error.value)) < 200
    assert "\n" not in str(error.value)
    assert not (state_directory / "plugin-pia.json").exists()


async def test_a_redirect_is_not_followed(find: Find, server: Any, wanted: MapRequest) -> None:
    """The token would go to another server."""
    gateway = await find()
    server.answer = lambda request: (
        web.Response(status=302, headers={"Location": "https://192.0.2.1/"}) if request.query else None
    )
    with pytest.raises(NetworkFailure):
        await gateway.map(wanted)


async def test_a_silent_server_is_a_timeout(
    find: Find, server: Any, wanted: MapRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider's own script gives up after 5 seconds, too."""
    import asyncio

    gateway = await find()
    server.silent = asyncio.Event()
    monkeypatch.setattr(module, "SECONDS", 0.2)
    with pytest.raises(GatewayTimeout, match="did not answer within"):
        await gateway.map(wanted)


async def test_a_file_that_cannot_be_written_is_reported(
    find: Find,
    wanted: MapRequest,
    state_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The port is open all the same."""
    gateway = await find()
    (state_directory / "plugin-pia.json.new").mkdir()
    assert (await gateway.map(wanted)).external_port == 47047
    assert "port 47047 is lost after a restart" in caplog.text


async def test_without_a_server_nothing_is_searched(here: Target) -> None:
    """An installed extra that is not configured does nothing."""
    assert [gateway async for gateway in PiaBackend().discover(here)] == []


async def test_another_chosen_gateway_is_left_alone(
    new_backend: Callable[..., PiaBackend], here: Target, server: Any
) -> None:
    """The user named a router."""
    chosen = attrs.evolve(here, gateway=ip_address("192.0.2.1"), chosen=True)
    assert [gateway async for gateway in new_backend().discover(chosen)] == []
    assert server.names == []


async def test_a_route_to_another_router_is_silent(
    new_backend: Callable[..., PiaBackend], here: Target
) -> None:
    """Without the key `gateway`, each route's gateway is tried."""
    assert [gateway async for gateway in new_backend(gateway="").discover(here)] == []


async def test_a_gateway_of_the_settings_that_does_not_answer_is_an_error(
    new_backend: Callable[..., PiaBackend], here: Target, unused_tcp_port: int
) -> None:
    """The message says where it was searched."""
    place = f"127.0.0.1:{unused_tcp_port}"
    with pytest.raises(NetworkFailure, match=f"no connection to {place}: Connection refused"):
        _ = [gateway async for gateway in new_backend(gateway=place).discover(here)]
