"""Containers with their own address, and engines on other hosts."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from portmapper_docker.source import DockerSource

from portmapper.api.errors import SourceError

WEB: dict[str, Any] = {"Id": "ab" * 32, "Names": ["/web"], "Labels": {"portmapper.port": "8080/tcp"}}
NETWORKS = [{"Name": "lan", "Driver": "macvlan"}, {"Name": "shop_default", "Driver": "bridge"}]


def connected(**addresses: str) -> dict[str, Any]:
    """Return the container with an address in each of these networks."""
    networks = {name: {"IPAddress": address} for name, address in addresses.items()}
    return WEB | {"NetworkSettings": {"Networks": networks}}


def engine(containers: list[Any], networks: object) -> web.Application:
    """Return a fake of the Docker API."""

    async def handle(request: web.Request) -> web.StreamResponse:
        answers = {"version": {"ApiVersion": "1.41"}, "info": {}, "networks": networks}
        return web.json_response(answers.get(request.path.rpartition("/")[2], containers))

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    return application


async def fetch(tmp_path: Path, containers: list[Any], networks: object) -> list[object]:
    """Return the address of each row that the source reads."""
    runner = web.AppRunner(engine(containers, networks), access_log=None)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(tmp_path / "engine.sock")).start()
        return [
            row.fields.get("address")
            for row in await DockerSource(f"docker://{tmp_path}/engine.sock").fetch()
        ]
    finally:
        await runner.cleanup()


async def test_a_container_in_a_macvlan_network_has_its_own_address(tmp_path: Path) -> None:
    """The gateway reaches it there; containers behind this host's address have none."""
    containers = [
        connected(shop_default="172.18.0.2", lan="192.168.88.60"),
        connected(shop_default="172.18.0.3"),
    ]
    assert sorted(await fetch(tmp_path, containers, NETWORKS), key=str) == ["192.168.88.60", None]


async def test_containers_in_the_usual_networks_need_no_further_query(tmp_path: Path) -> None:
    """A proxy that restricts the engine's API may forbid it."""
    assert await fetch(tmp_path, [connected(bridge="172.17.0.2"), WEB], "forbidden") == [None, None]


@pytest.mark.parametrize("networks", [5, [5], {"lan": 1}, [{"Name": "lan"}]])
async def test_an_invalid_list_of_networks_is_an_invalid_answer(tmp_path: Path, networks: object) -> None:
    """The engine may be a proxy or another program."""
    with pytest.raises(SourceError, match="no valid answer from the engine"):
        await fetch(tmp_path, [connected(lan="192.168.88.60")], networks)


async def test_an_invalid_own_address_is_an_invalid_answer(tmp_path: Path) -> None:
    """It is never passed on."""
    with pytest.raises(SourceError, match="no valid answer from the engine"):
        await fetch(tmp_path, [connected(lan="192.168.88.0/24")], NETWORKS)


@pytest.fixture
async def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[trustme.CA]:
    """An engine on a TCP port that demands a certificate of its authority, as DOCKER_HOST names it."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    runner = web.AppRunner(engine([WEB], []), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    yield authority
    await runner.cleanup()


def write_certificates(directory: Path, authority: trustme.CA) -> None:
    """Write what Docker's command reads."""
    ours = authority.issue_cert("client.example")
    authority.cert_pem.write_to_path(directory / "ca.pem")
    ours.private_key_pem.write_to_path(directory / "key.pem")
    ours.cert_chain_pems[0].write_to_path(directory / "cert.pem")


async def test_an_engine_is_reached_over_tls(remote: trustme.CA, tmp_path: Path) -> None:
    """Both sides prove who they are. The engine is on this host, so the rows have no other address."""
    write_certificates(tmp_path, remote)
    (row,) = await DockerSource("docker:").fetch()
    assert (row.where, row.fields.get("address")) == ("container web, label portmapper.port", None)


async def test_an_engine_of_another_authority_is_refused(remote: trustme.CA, tmp_path: Path) -> None:
    """Only the authority in `ca.pem` is trusted."""
    write_certificates(tmp_path, trustme.CA())
    with pytest.raises(SourceError, match="no TLS connection to the engine"):
        await DockerSource("docker:").fetch()


async def test_missing_certificates_are_named(remote: trustme.CA, tmp_path: Path) -> None:
    """The directory and the files are what the user can correct."""
    with pytest.raises(SourceError, match=r"ca\.pem, cert.pem and key\.pem cannot be used: No such file"):
        await DockerSource("docker:").fetch()
