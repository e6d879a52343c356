"""How the router is found and trusted, and what follows from what it answers."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web

from portmapper.api.errors import BackendError, GatewayTimeout, NetworkFailure, NotAuthorized, Unsupported
from portmapper.api.model import MapRequest, Protocol
from portmapper.support.threads import in_thread

WEB = MapRequest(Protocol.TCP, ipaddress.ip_address("192.168.88.20"), 80, 8080, comment="web")
PREFIX = "PORTMAPPER_ROUTEROS_"


async def first(backend: Any, target: Any) -> Any:
    """Return the gateway found there, None for none."""
    async for gateway in backend.discover(target):
        return gateway
    return None


async def test_the_router_tells_what_it_is(gateway: Any) -> None:
    """Version and board are for people."""
    assert (gateway.protocol, gateway.model) == ("RouterOS 7.12", "hAP ac^2")
    assert gateway.identity == "routeros:127.0.0.1"


async def test_nothing_is_found_where_no_router_is_named(backend: Any, here: Any) -> None:
    """An installed extra without settings is silent."""
    assert await first(backend, here) is None


async def test_another_chosen_gateway_is_not_answered_for(router: Any, backend: Any, here: Any) -> None:
    """`--gateway` names the only one that may answer."""
    other = attrs.evolve(here, gateway=ipaddress.ip_address("127.0.0.2"), chosen=True)
    assert await first(backend, other) is None


async def test_the_address_is_the_cloud_services_where_no_interface_has_one(
    gateway: Any, router: Any
) -> None:
    """The interface list may be empty, or the outside address elsewhere."""
    router.menus["ip/address"].clear()
    assert await gateway.external_address() is None
    router.answer = lambda request: (
        web.json_response({"public-address": "198.51.100.4"}) if request.path.endswith("cloud") else None
    )
    assert str(await gateway.external_address()) == "198.51.100.4"


async def test_a_named_interface_replaces_the_list(
    router: Any, backend: Any, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the rules, and for the external address."""
    monkeypatch.setenv(f"{PREFIX}INTERFACE", "pppoe-out1")
    router.put("ip/address", address="203.0.113.99/32", interface="pppoe-out1", disabled="false")
    lease = await (await first(backend, here)).map(WEB)
    assert router.rules[0]["in-interface"] == "pppoe-out1"
    assert str(lease.external_address) == "203.0.113.99"


async def test_a_certificate_of_a_stranger_is_refused(
    router: Any, backend: Any, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password goes to nobody else; the message names the settings."""
    monkeypatch.delenv(f"{PREFIX}CA")
    with pytest.raises(NetworkFailure, match="_CA"):
        await first(backend, here)
    assert router.requested == []


async def test_a_fingerprint_is_enough_and_a_wrong_one_is_not(
    router: Any, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For certificates that signed themselves."""
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


async def test_a_wrong_password_is_said_so(
    router: Any, backend: Any, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the environment, too."""
    monkeypatch.delenv(f"{PREFIX}CREDENTIALS")
    monkeypatch.setenv(f"{PREFIX}USER", "admin")
    monkeypatch.setenv(f"{PREFIX}PASSWORD", "wrong")
    with pytest.raises(NotAuthorized, match="user and password"):
        await first(backend, here)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("URL", "http://127.0.0.1", "must be https"),
        ("URL", "https://a:b@127.0.0.1", "contains a user"),
        ("URL", "https://[", "not a URL"),
        ("FINGERPRINT", "zz", "64 hexadecimal"),
        ("CA", "/nowhere/ca.pem", "No such file"),
        ("CREDENTIALS", "/nowhere/secret", "cannot be read"),
        ("CREDENTIALS", "/dev/null", "not a regular file"),
        ("CREDENTIALS", "", "neither"),
        ("INTERFACE", "a\nb", "name of an interface"),
    ],
)
async def test_a_wrong_setting_is_named(
    router: Any, backend: Any, here: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    """One line that names the variable."""
    monkeypatch.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(BackendError, match=reason) as caught:
        await first(backend, here)
    assert f"{PREFIX}{name}" in str(caught.value)


async def test_credentials_that_others_may_read_are_refused(
    router: Any, backend: Any, here: Any, tmp_path: Path
) -> None:
    """Before anything is sent."""
    (tmp_path / "credentials").chmod(0o640)
    with pytest.raises(NotAuthorized, match="chmod 600"):
        await first(backend, here)
    assert router.requested == []


def told(status: int, body: object) -> Callable[[web.Request], web.StreamResponse]:
    """Answer everything so."""
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
async def test_what_the_router_answers_becomes_one_typed_error(
    gateway: Any, router: Any, status: int, body: object, error: type[BackendError]
) -> None:
    """Its own words are quoted, and garbage is no traceback."""
    router.answer = told(status, body)
    for ask in (lambda: gateway.map(WEB), gateway.list_mappings, gateway.external_address):
        with pytest.raises(error) as caught:
            await ask()
        assert "\n" not in str(caught.value)


async def test_a_router_that_lies_about_the_rule_is_not_believed(gateway: Any, router: Any) -> None:
    """A rule for another port is no lease."""
    router.answer = lambda request: (
        web.json_response({".id": "*1", "dst-port": "1"}, status=201) if request.method == "PUT" else None
    )
    with pytest.raises(NetworkFailure, match="another rule"):
        await gateway.map(WEB)


async def test_a_router_without_rest_is_too_old(router: Any, backend: Any, here: Any) -> None:
    """The message names the version that has it."""
    router.answer = told(404, {"error": 404, "message": "Not Found"})
    with pytest.raises(Unsupported, match=r"7\.1"):
        await first(backend, here)


async def test_a_silent_router_costs_bounded_time(
    gateway: Any, backend: Any, router: Any, monkeypatch: pytest.MonkeyPatch, here: Any
) -> None:
    """The request gives up, and one that was cancelled leaves the table free for the next."""
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


async def portmapper(*words: str) -> tuple[int | None, str]:
    """Run the program as a user does; return its exit status and standard output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "portmapper", *words, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_run_keeps_a_rule_and_takes_it_back(router: Any, tmp_path: Path) -> None:
    """The whole program: a list, one pass, the rule, and the list closed again."""
    (tmp_path / "ports.csv").write_text("port;protocol;comment;duration\n8080;TCP;web;3600\n")
    words = ["run", str(tmp_path / "ports.csv"), "--backend", "routeros", "--gateway", "127.0.0.1"]
    words += ["--state-dir", str(tmp_path / "state")]
    status, out = await portmapper(*words, "--oneshot", "--json")
    (mapping,) = json.loads(out)["mappings"]
    assert (status, mapping["state"], mapping["permanent"], mapping["backend"]) == (
        0,
        "active",
        True,
        "routeros",
    )
    assert [rule["comment"] for rule in router.rules] == ["portmapper: web"]
    assert (await portmapper(*words, "--only-close-ports"))[0] == 0
    assert router.rules == []
