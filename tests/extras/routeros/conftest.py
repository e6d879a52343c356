"""Fake of RouterOS's REST service over TLS, with RouterOS's formats and errors."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import attrs
import pytest
import trustme
from aiohttp import web
from portmapper_routeros.backend import RouterOsBackend
from portmapper_routeros.gateway import RouterOsGateway

from portmapper.api.backend import Gateway, Target
from portmapper.api.model import IPAddress

Item = dict[str, str]
MENUS = ("ip/firewall/nat", "ip/address", "interface/list/member")


def problem(status: int, message: str, detail: str = "") -> web.Response:
    """Return an error in RouterOS's format."""
    body: dict[str, object] = {"error": status, "message": message}
    return web.json_response(body | ({"detail": detail} if detail else {}), status=status)


@attrs.define
class RouterOsDouble:
    """Menus of items; all values are strings, and each item has an `.id` such as `*1`."""

    menus: dict[str, list[Item]] = attrs.field(factory=lambda: {menu: [] for menu in MENUS})
    port: int = 0
    requested: list[str] = attrs.field(factory=list)
    answer: Callable[[web.Request], web.StreamResponse | None] | None = None
    silent: asyncio.Event | None = None
    last: int = 0

    @property
    def rules(self) -> list[Item]:
        """The NAT table."""
        return self.menus["ip/firewall/nat"]

    def put(self, menu: str, **values: str) -> Item:
        """Append an item."""
        self.last += 1
        item = {".id": f"*{self.last:X}", **{key.replace("_", "-"): text for key, text in values.items()}}
        self.menus[menu].append(item)
        return item

    def rule(self, **values: str) -> Item:
        """Add a rule of the administrator."""
        given = {"chain": "dstnat", "action": "dst-nat", "disabled": "false", "dynamic": "false", **values}
        return self.put("ip/firewall/nat", **given)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = request.path.removeprefix("/rest/")
        self.requested.append(f"{request.method} {path}")
        if request.headers.get("Authorization") != "Basic YWRtaW46czpjcmV0":
            return problem(401, "Unauthorized")
        if self.silent is not None:
            await self.silent.wait()
        if self.answer is not None and (answer := self.answer(request)) is not None:
            return answer
        if path == "system/resource":
            return web.json_response({"board-name": "hAP ac^2", "version": "7.12 (stable)"})
        menu = next((menu for menu in MENUS if path == menu or path.startswith(f"{menu}/")), None)
        if menu is None:
            return problem(404, "Not Found", "no such command or directory")
        return await self.menu(request, menu, path.removeprefix(menu).strip("/"))

    async def menu(self, request: web.Request, menu: str, number: str) -> web.StreamResponse:
        """Answer a request about a menu or one of its items."""
        items = self.menus[menu]
        if not number and request.method == "GET":
            query = request.query.items()
            return web.json_response([i for i in items if all(i.get(k) == v for k, v in query)])
        if not number and request.method == "PUT":
            return await self.add(menu, await request.json())
        found = next((item for item in items if item[".id"] == number), None)
        if found is None:
            return problem(404, "Not Found", "no such item")
        if request.method == "DELETE":
            items.remove(found)
            return web.Response(status=204)
        if request.method == "PATCH":
            found.update(await request.json())
        return web.json_response(found)

    async def add(self, menu: str, values: Item) -> web.StreamResponse:
        """Add an item, or reject it as RouterOS does."""
        if not all(isinstance(value, str) for value in values.values()):
            return problem(400, "Bad Request", "invalid value")
        if "dst-port" in values and values.get("protocol") not in ("tcp", "udp"):
            return problem(400, "Bad Request", "failure: ports can be specified if proto is tcp or udp")
        item = self.put(menu, **{"disabled": "false", "dynamic": "false", "invalid": "false", **values})
        return web.json_response(item, status=201)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The certificate authority of the router."""
    return trustme.CA()


@pytest.fixture
async def router(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RouterOsDouble]:
    """A router with one external address, set in the environment variables."""
    double = RouterOsDouble()
    double.put("interface/list/member", list="WAN", interface="ether1")
    double.put("interface/list/member", list="LAN", interface="bridge")
    double.put("ip/address", address="192.168.88.1/24", interface="bridge", disabled="false")
    double.put("ip/address", address="203.0.113.7/24", interface="ether1", disabled="false")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", double.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    double.port = runner.addresses[0][1]
    credentials, signer = tmp_path / "credentials", tmp_path / "authority.pem"
    credentials.write_text("admin:s:cret\n")
    credentials.chmod(0o600)
    authority.cert_pem.write_to_path(signer)
    monkeypatch.setenv("PORTMAPPER_ROUTEROS_URL", f"https://127.0.0.1:{double.port}")
    monkeypatch.setenv("PORTMAPPER_ROUTEROS_CREDENTIALS", str(credentials))
    monkeypatch.setenv("PORTMAPPER_ROUTEROS_CA", str(signer))
    yield double
    await runner.cleanup()


@pytest.fixture
async def backend() -> AsyncIterator[RouterOsBackend]:
    """The backend; it is closed after the test."""
    backend = RouterOsBackend()
    yield backend
    await backend.close()


@pytest.fixture
def here() -> Target:
    """The discovery target of a LAN host."""
    return Target(address("192.168.88.20"), gateway=address("127.0.0.1"))


@pytest.fixture
async def gateway(router: RouterOsDouble, backend: RouterOsBackend, here: Target) -> RouterOsGateway:
    """The router as found by the backend."""
    async with aclosing(backend.discover(here)) as found:
        gateway = await anext(found)
    assert isinstance(gateway, RouterOsGateway)
    return gateway


@pytest.fixture
def first() -> Callable[[RouterOsBackend, Target], Awaitable[Gateway | None]]:
    """Return a function that returns a backend's first gateway, or None."""

    async def discover(backend: RouterOsBackend, target: Target) -> Gateway | None:
        async for gateway in backend.discover(target):
            return gateway
        return None

    return discover


def address(text: str) -> IPAddress:
    """Parse an address."""
    import ipaddress

    return ipaddress.ip_address(text)
