"""The VPN recipe from the docs: a torrent client gets each new port that the VPN assigns."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from portmapper_simulator.gateway import EmbeddedGateway
from portmapper_simulator.profiles import settings_of

PATIENCE = 60.0
SCRIPT = Path(__file__).parents[2] / "docs" / "_static" / "tell-qbittorrent"

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None or not SCRIPT.exists(), reason="needs curl, and the documentation's script"
)


class TorrentClient:
    """Fake of qBittorrent's web API: login with a cookie, and preferences.

    Attributes:
        ports: each listening port that was set, in order.
        logins: number of logins.
    """

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.logins = 0

    async def login(self, request: web.Request) -> web.Response:
        """Set a cookie for the right name and password; else answer 200 `Fails.`, as qBittorrent does."""
        form = await request.post()
        if (form.get("username"), form.get("password")) != ("admin", "a&b"):
            return web.Response(text="Fails.")
        self.logins += 1
        response = web.Response(text="Ok.")
        response.set_cookie("SID", "hush", httponly=True)
        return response

    async def set_preferences(self, request: web.Request) -> web.Response:
        """Accept preferences with the cookie; answer 403 without it."""
        if request.cookies.get("SID") != "hush":
            return web.Response(status=403)
        preferences = json.loads(parse_qs(await request.text())["json"][0])
        assert preferences["random_port"] is False
        self.ports.append(preferences["listen_port"])
        return web.Response()


@pytest.fixture
async def client() -> AsyncIterator[tuple[TorrentClient, str]]:
    """A torrent client on loopback, and its URL."""
    client = TorrentClient()
    application = web.Application()
    application.add_routes(
        [
            web.post("/api/v2/auth/login", client.login),
            web.post("/api/v2/app/setPreferences", client.set_preferences),
        ]
    )
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield client, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_each_assigned_port_reaches_the_torrent_client(
    client: tuple[TorrentClient, str], tmp_path: Path, free_port: Callable[[], int], monkeypatch: Any
) -> None:
    """The hook runs for the first port, after each gateway restart, and after a daemon restart.

    After a daemon restart the client gets the same port again, because it may have restarted too.
    """
    torrents, url = client
    (tmp_path / "login").write_text("username=admin&password=a%26b")
    monkeypatch.setenv("QBITTORRENT_URL", url)
    monkeypatch.setenv("QBITTORRENT_LOGIN", str(tmp_path / "login"))
    gateway_settings = _vpn(free_port)
    config = tmp_path / "portmapper.toml"
    config.write_text(
        f'gateway = ["127.0.0.1:{gateway_settings.pcp_port}"]\nconflict = "next"\n'
        f'state_dir = "{tmp_path / "state"}"\ninterval = 1\n'
        '[backend]\norder = ["natpmp"]\nforbidden = ["pcp", "upnp"]\n'
        '[[mapping]]\nport = "any"\ninternal_port = 6881\nprotocol = "both"\nduration = 60\n'
        f'[[hook]]\non = ["opened", "external_port_changed"]\nrun = ["{SCRIPT}"]\n'
    )
    async with EmbeddedGateway(gateway_settings) as gateway:
        command = [sys.executable, "-P", "-m", "portmapper.cli.main", "run", "--config", str(config)]
        daemon = await _started(command, tmp_path / "log")
        try:
            await _until(lambda: torrents.ports == [_granted(gateway)], tmp_path / "log")
            for assigned in (2, 3):
                await gateway.restart()
                await _until(
                    lambda assigned=assigned: (
                        len(set(torrents.ports)) >= assigned and torrents.ports[-1] == _granted(gateway)
                    ),
                    tmp_path / "log",
                )
            daemon.kill()
            await daemon.wait()
            torrents.ports.clear()
            torrents.logins = 0
            daemon = await _started(command, tmp_path / "log")
            await _until(lambda: torrents.ports == [_granted(gateway)], tmp_path / "log")
        finally:
            daemon.terminate()
            await daemon.wait()
    assert torrents.logins == len(torrents.ports)


async def _started(command: list[str], log: Path) -> asyncio.subprocess.Process:
    with log.open("ab") as file:
        return await asyncio.create_subprocess_exec(*command, stderr=file)


def _vpn(free_port: Callable[[], int]) -> Any:
    import attrs

    return attrs.evolve(settings_of("vpn-natpmp"), pcp_port=free_port(), relay=False)


def _granted(gateway: EmbeddedGateway) -> int | None:
    return next((entry.external_port for entry in gateway.table if entry.protocol == "TCP"), None)


async def _until(condition: Callable[[], object], log: Path) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(log.read_text()) from None
