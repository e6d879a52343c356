"""The public port of Plex, on a double with the published answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from portmapper_clients.plex import PlexObserver

from portmapper.api import structure

TOKEN = "plex-token"


class Plex:
    """A server with two preferences."""

    def __init__(self) -> None:
        self.preferences = {"ManualPortMappingMode": "0", "ManualPortMappingPort": "32400"}
        self.logins: list[str | None] = []

    async def serve(self, request: web.Request) -> web.Response:
        """Answer the requests of plexapi."""
        self.logins.append(request.headers.get("X-Plex-Token"))
        if self.logins[-1] != TOKEN:
            return web.Response(status=401, text="<html>401 Unauthorized</html>")
        if request.method == "PUT":
            self.preferences.update(request.query)
            return web.Response()
        if request.path != "/:/prefs":
            return web.Response(text='<MediaContainer friendlyName="box" version="1.40.0"/>')
        return web.Response(
            text="<MediaContainer>"
            f'<Setting id="ManualPortMappingMode" type="bool" default="0" value="{self.mode}"/>'
            f'<Setting id="ManualPortMappingPort" type="int" default="32400" value="{self.port}"/>'
            "</MediaContainer>"
        )

    @property
    def mode(self) -> str:
        """Whether the port is specified manually."""
        return self.preferences["ManualPortMappingMode"]

    @property
    def port(self) -> str:
        """The port that is specified manually."""
        return self.preferences["ManualPortMappingPort"]


@pytest.fixture
async def plex() -> AsyncIterator[tuple[Plex, str]]:
    """The server and its URL."""
    server = Plex()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield server, f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def reported(caplog: pytest.LogCaptureFixture) -> str:
    """Wait for a line in the log and return it."""
    async with asyncio.timeout(60):
        while not caplog.records:
            await asyncio.sleep(0.01)
    return caplog.records[-1].getMessage()


def observer(url: str, token: str) -> PlexObserver:
    """Return the observer for a server."""
    return PlexObserver(
        settings=structure(PlexObserver.settings, {"url": url, "token": token, "mapping": "torrents"})
    )


async def test_the_public_port_is_set_and_made_manual(
    plex: tuple[Plex, str], granted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise the server would ask the gateway for a port by itself."""
    server, url = plex
    caplog.set_level(logging.INFO, "portmapper_clients")
    made = observer(url, TOKEN)
    await made.observe(granted(40001))
    assert (await reported(caplog)).endswith("uses port 40001")
    await made.close()
    assert (server.mode, server.port) in (("1", "40001"), ("true", "40001"))


async def test_an_invalid_token_is_reported_once(
    plex: tuple[Plex, str], granted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The token is not repeated in the log."""
    server, url = plex
    made = observer(url, "invalid-token")
    await made.observe(granted(40001))
    assert "refused the token. Correct the login" in await reported(caplog)
    await made.close()
    assert server.logins == ["invalid-token"]
    assert "invalid-token" not in caplog.text
