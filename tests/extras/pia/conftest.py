"""Double of the provider's service, built from its published script: TLS, signed payloads, bindings."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import attrs
import pytest
import trustme
from aiohttp import web
from portmapper_pia.backend import PiaBackend
from portmapper_pia.gateway import PiaGateway
from portmapper_pia.settings import PiaTable

from portmapper.api import MapRequest, Protocol, Target, structure
from portmapper.support.plugin_state import STATE

SERVER = "zurich407"
TOKEN = "geheim"
_KEY = b"the provider's key"


@attrs.define
class PiaDouble:
    """Grants the ports in turn, and binds what it has signed.

    Attributes:
        place: where it listens, as in the settings.
        ports: the ports that it grants.
        days: how long it grants them.
        granted: how many ports it has granted.
        bound: the port of each binding.
        names: the names that clients asked for in TLS.
        answer: replaces the answer to a request.
        silent: as long as it is set, no request is answered.
        bind_refusal: the message with which it refuses to bind.
    """

    place: str = ""
    ports: list[int] = attrs.field(factory=lambda: [47047, 52001, 53002])
    days: float = 62
    granted: int = 0
    bound: list[int] = attrs.field(factory=list)
    names: list[str | None] = attrs.field(factory=list)
    answer: Callable[[web.Request], web.StreamResponse | None] | None = None
    silent: asyncio.Event | None = None
    bind_refusal: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; the status of HTTP is 200 for errors, too."""
        if self.silent is not None:
            await self.silent.wait()
        if self.answer is not None and (answer := self.answer(request)) is not None:
            return answer
        if request.path == "/getSignature":
            return self.signature(request.query.get("token", ""))
        return self.binding(request.query.get("payload", ""), request.query.get("signature", ""))

    def signature(self, token: str) -> web.Response:
        """Grant the next port."""
        if token != TOKEN:
            return web.json_response({"status": "ERROR", "message": "invalid token"})
        port = self.ports[self.granted % len(self.ports)]
        self.granted += 1
        return web.json_response(signed(port, datetime.now(UTC) + timedelta(days=self.days)))

    def binding(self, payload: str, signature: str) -> web.Response:
        """Bind the port of a payload."""
        if self.bind_refusal or not hmac.compare_digest(signature, signature_of(payload)):
            return web.json_response({"status": "ERROR", "message": self.bind_refusal or "not signed"})
        self.bound.append(json.loads(base64.b64decode(payload))["port"])
        return web.json_response({"status": "OK", "message": "port scheduled for add"})


def signature_of(payload: str) -> str:
    """Return the double's signature, which contains characters that a URL must quote."""
    return base64.b64encode(hmac.digest(_KEY, payload.encode(), hashlib.sha256)).decode() + "+/="


def signed(port: object, expires: datetime | str) -> dict[str, str]:
    """Return a signed payload; the provider writes times with nanoseconds."""
    text = expires.strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z" if isinstance(expires, datetime) else expires
    content = json.dumps({"token": TOKEN, "port": port, "expires_at": text, "pad": "?>~"})
    payload = base64.b64encode(content.encode()).decode()
    return {"status": "OK", "payload": payload, "signature": signature_of(payload)}


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The provider's certificate authority."""
    return trustme.CA()


@pytest.fixture
async def server(authority: trustme.CA) -> AsyncIterator[PiaDouble]:
    """The service on the gateway, whose certificate has only the name of the server."""
    double = PiaDouble()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(SERVER).configure_cert(context)
    context.sni_callback = lambda _, name, __: double.names.append(name)
    application = web.Application()
    application.router.add_get("/{path:.*}", double.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    double.place = f"127.0.0.1:{runner.addresses[0][1]}"
    yield double
    await runner.cleanup()


@pytest.fixture
def state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of this test."""
    monkeypatch.setattr(STATE, "directory", tmp_path)
    return tmp_path


@pytest.fixture
def written(server: PiaDouble, authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """The keys of `[plugin.pia]`."""
    token, signer = tmp_path / "token", tmp_path / "ca.pem"
    token.write_text(f"{TOKEN}\n")
    authority.cert_pem.write_to_path(signer)
    return {"server": SERVER, "gateway": server.place, "token_file": str(token), "ca": str(signer)}


@pytest.fixture
def new_backend(written: dict[str, str], state_directory: Path) -> Callable[..., PiaBackend]:
    """Return a function that returns a backend, as after a restart; its arguments replace keys."""
    return lambda **changes: PiaBackend(settings=structure(PiaTable, {**written, **changes}))


@pytest.fixture
def here() -> Target:
    """The target of this host."""
    return Target(ip_address("10.4.128.7"), gateway=ip_address("127.0.0.1"))


@pytest.fixture
def find(new_backend: Callable[..., PiaBackend], here: Target) -> Callable[..., Awaitable[PiaGateway]]:
    """Return a function that returns the gateway as a new process finds it."""

    async def gateway(**changes: str) -> PiaGateway:
        (found,) = [found async for found in new_backend(**changes).discover(here)]
        assert isinstance(found, PiaGateway)
        return found

    return gateway


@pytest.fixture
def wanted(here: Target) -> MapRequest:
    """A request for any port."""
    return MapRequest(Protocol.TCP, here.local_address, 51413, 0, token=b"twelve bytes")
