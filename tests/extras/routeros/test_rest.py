"""TLS, credentials and errors of the REST client."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from portmapper.api.errors import BackendError, GatewayTimeout, NetworkFailure, NotAuthorized, Unsupported
from portmapper.api.model import MapRequest, Protocol
from portmapper.support.threads import in_thread

WEB = MapRequest(Protocol.TCP, ipaddress.ip_address("192.168.88.20"), 80, 8080, comment="web")


PREFIX = "PORTMAPPER_ROUTEROS_"


async def test_an_untrusted_certificate_is_rejected(
    router: Any, backend: Any, here: Any, monkeypatch: pytest.MonkeyPatch, first: Any
) -> None:
    """The password is not sent, and the error contains the setting."""
    monkeypatch.delenv(f"{PREFIX}CA")
    with pytest.raises(NetworkFailure, match="_CA"):
        await first(backend, here)
    assert router.requested == []


async def test_the_fingerprint_must_match(
    router: Any, here: Any, monkeypatch: pytest.MonkeyPatch, first: Any
) -> None:
    """It is for self-signed certificates."""
    from portmapper_routeros.backend import RouterOsBackend

    monkeypatch.delenv(f"{PREFIX}CA")
    pem = await in_thread(lambda: ssl.get_server_certificate(("127.0.0.1", router.port)))
    right = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    for fingerprint, found in ((right.upper(), True), ("ab" * 32, False)):
        monkeypatch.setenv(f"{PREFIX}FINGERPRINT", fingerprint)
        backend = RouterOsBackend()
        try:
            if found:
                assert await first(backend, here) is not None
            else:
                with pytest.raises(NetworkFailure, match=right):
                    await first(backend, here)
        finally:
            await backend.close()


async def test_a_wrong_password_is_not_authorized(
    router: Any, backend: Any, here: Any, monkeypatch: pytest.MonkeyPatch, first: Any
) -> None:
    """The password can also come from an environment variable."""
    monkeypatch.delenv(f"{PREFIX}CREDENTIALS")
    monkeypatch.setenv(f"{PREFIX}USER", "admin")
    monkeypatch.setenv(f"{PREFIX}PASSWORD", "wrong")
    with pytest.raises(NotAuthorized, match="user and password"):
        await first(backend, here)


def always_answer(status: int, body: object) -> Callable[[web.Request], web.StreamResponse]:
    """Return a handler with the same answer to every request."""
    return lambda _: web.Response(
        status=status,
        text=body if isinstance(body, str) else json.dumps(body),
        content_type="application/json",
    )


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": 400, "message": "Bad Request", "detail": "input does not match"}, Unsupported),
        (401, {"error": 401, "message": "Unauthorized"}, NotAuthorized),
        (403, {"error": 403, "message": "Forbidden"}, NotAuthorized),
        (500, {"error": 500, "message": "x", "detail": "not enough permissions (9)"}, NotAuthorized),
        (503, "", NetworkFailure),
        (301, {}, Unsupported),
        (200, "not json", NetworkFailure),
        (200, "[" * 100_000, NetworkFailure),
        (200, {"a": "b"}, NetworkFailure),
        (200, [{".id": 5}], NetworkFailure),
        (200, [[]], NetworkFailure),
        (200, '"' + "x" * 9_000_000 + '"', NetworkFailure),
    ],
)
async def test_a_bad_answer_becomes_a_typed_error(
    gateway: Any, router: Any, status: int, body: object, error: type[BackendError]
) -> None:
    """The router's text is quoted, and the error fits on one line."""
    router.answer = always_answer(status, body)
    for call in (lambda: gateway.map(WEB), gateway.list_mappings, gateway.external_address):
        with pytest.raises(error) as caught:
            await call()
        assert "\n" not in str(caught.value)


async def test_a_silent_router_is_a_timeout(
    gateway: Any, backend: Any, router: Any, monkeypatch: pytest.MonkeyPatch, here: Any, first: Any
) -> None:
    """A canceled request does not keep the table locked."""
    router.silent = asyncio.Event()
    under_way = asyncio.create_task(gateway.map(WEB))
    while "GET interface/list/member" not in router.requested:
        await asyncio.sleep(0.01)
    under_way.cancel()
    await asyncio.gather(under_way, return_exceptions=True)
    await backend.close()
    monkeypatch.setattr("portmapper_routeros.rest._SECONDS", 0.3)
    with pytest.raises(GatewayTimeout):
        await first(backend, here)
    router.silent.set()
    await backend.close()
