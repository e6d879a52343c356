"""Who may send which request."""

from __future__ import annotations

import asyncio
import ipaddress
from datetime import UTC, datetime
from typing import Any

import pytest

from portmapper.api.events import Event, EventKind

READS = ("/v1/status", "/v1/summary", "/v1/mappings", "/v1/history", "/v1/version", "/v1/openapi.json")
CHANGES = ("/v1/open", "/v1/close", "/v1/pause", "/v1/resume", "/v1/reload", "/v1/doctor")
BODY = {"mappings": []}


@pytest.mark.parametrize("path", READS)
async def test_reading_on_loopback_needs_no_login(site: Any, path: str) -> None:
    """On any other address it does."""
    assert (await site.get(path)).status == 200


@pytest.mark.parametrize("path", [*READS, "/metrics", "/", "/nothing", "/v1/events"])
async def test_on_another_address_everything_needs_a_login(open_site: Any, path: str) -> None:
    """Even from this host, and even if there is nothing."""
    answer = await open_site.get(path)
    assert (answer.status, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    if path in READS:
        assert (await open_site.get(path, authorization=open_site.bearer(read_only=True))).status == 200


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/readyz", 200), ("/login", 200)])
async def test_health_and_login_never_need_a_login(open_site: Any, path: str, status: int) -> None:
    """Kubernetes and load balancers send none."""
    assert (await open_site.get(path)).status == status


@pytest.mark.parametrize("path", CHANGES)
async def test_every_change_needs_a_login_that_allows_it(site: Any, path: str) -> None:
    """401 without a login, and 403 with a token that may only read."""
    assert (await site.post(path, BODY)).status == 401
    answer = await site.post(path, BODY, authorization=site.bearer(read_only=True))
    assert (answer.status, "may only read" in answer.document["detail"]) == (403, True)
    assert (await site.post(path, BODY, authorization=site.bearer())).status not in (401, 403)


async def test_other_schemes_are_no_login(site: Any) -> None:
    """A proxy may forward those that it checked itself."""
    assert (await site.get("/v1/status", authorization="Basic eDp5")).status == 200
    assert (await site.post("/v1/reload", authorization="Basic eDp5")).status == 401


async def test_stop_is_not_there(site: Any) -> None:
    """Only the owner of the socket stops the daemon."""
    assert (await site.post("/v1/stop", authorization=site.bearer())).status == 404
    assert site.daemon.stops == 0


@pytest.mark.parametrize("authorization", ["Bearer", "bearer x", "Bearer  ", "Bearer " + "x" * 8000])
async def test_an_invalid_authorization_is_refused(site: Any, authorization: str) -> None:
    """Also for a request that needs none: the client believes that it is logged in."""
    assert (await site.get("/v1/status", authorization=authorization)).status == 401


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST", "localhost.", "[::1]", "a.localhost"]
)
async def test_names_of_this_host_are_allowed(site: Any, host: str) -> None:
    """With and without a port."""
    for header in (host, f"{host}:{site.port}"):
        assert (await site.get("/v1/status", host=header)).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.0.2.1", "a b", "", "@", None],
)
@pytest.mark.parametrize("path", ["/", "/v1/status", "/v1/open", "/login", "/healthz"])
async def test_another_host_is_refused(site: Any, host: str | None, path: str) -> None:
    """A page cannot point its own name at this address (DNS rebinding)."""
    for method in ("GET", "POST"):
        version = "1.1" if host is not None else "1.0"
        answer = await site.send(method, path, host=host, version=version, authorization=site.bearer())
        assert (answer.status, answer.document["status"]) == (421, 421)


async def test_two_host_headers_are_refused(site: Any) -> None:
    """A proxy and this listener could choose different ones."""
    answer = await site.get("/v1/status", host="localhost\r\nHost: evil.example")
    assert answer.status in (400, 421)


async def test_configured_hosts_are_allowed(listening: Any) -> None:
    """But reading then needs a login: a proxy on this host may forward it."""
    async with listening(hosts=("Ports.Example.org",)) as site:
        assert (await site.get("/v1/status", host="ports.example.org")).status == 401
        answer = await site.get("/v1/status", host="ports.example.org:443", authorization=site.bearer())
        assert answer.status == 200
        assert (await site.get("/v1/status", host="www.example.org")).status == 421


FOREIGN = (
    "https://evil.example",
    "null",
    "http://127.0.0.1:1",
    "http://localhost.evil.example",
    "x",
    "file://",
)


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("with_token", [True, False])
async def test_a_foreign_origin_is_refused(site: Any, origin: str, with_token: bool) -> None:
    """With a token too, for changes and for reads."""
    authorization = site.bearer() if with_token else None
    for answer in (
        await site.post("/v1/open", BODY, origin=origin, authorization=authorization),
        await site.get("/v1/status", origin=origin, authorization=authorization),
        await site.log_in("x", origin=origin),
    ):
        assert (answer.status, answer.document["detail"]) == (403, "another site sent this request")


async def test_the_own_origin_is_allowed(site: Any) -> None:
    """A script of a page sends it."""
    origin = f"http://127.0.0.1:{site.port}"
    answer = await site.post("/v1/open", BODY, origin=origin, authorization=site.bearer())
    assert answer.status == 200


@pytest.mark.parametrize("value", ["cross-site", "same-site"])
async def test_a_browser_that_names_another_site_is_refused(site: Any, value: str) -> None:
    """Except a link to a page."""
    refused = await site.post("/v1/reload", authorization=site.bearer(), sec_fetch_site=value)
    assert refused.status == 403
    assert (await site.get("/v1/status", sec_fetch_site=value, sec_fetch_mode="no-cors")).status == 403
    link = await site.get("/healthz", sec_fetch_site=value, sec_fetch_mode="navigate")
    assert link.status == 200
    assert site.daemon.reloads == 0


async def test_a_session_needs_the_csrf_token_for_a_change(site: Any, csrf_of: Any) -> None:
    """A stolen cookie alone changes nothing; a header or a form field may carry the token."""
    cookie = (await site.log_in(site.bearer().split()[1])).cookie
    token = csrf_of(cookie)
    for wrong in (None, "", "x", token[:-1], "é"):
        sent = {"x_csrf_token": wrong} if wrong is None or wrong.isascii() else {}
        answer = await site.post("/v1/reload", cookie=cookie, **sent)
        assert (answer.status, "CSRF" in answer.document["detail"]) == (403, True)
    assert site.daemon.reloads == 0
    assert (await site.post("/v1/reload", cookie=cookie, x_csrf_token=token)).status == 200
    form = {"content_type": "application/x-www-form-urlencoded", "cookie": cookie}
    assert (await site.send("POST", "/v1/reload", f"csrf_token={token}", **form)).status == 200
    assert site.daemon.reloads == 2


async def test_a_forwarded_request_is_not_local(site: Any) -> None:
    """A proxy that is not configured forwards visitors of the internet from loopback."""
    for header in ("x_forwarded_for", "forwarded", "via", "x_forwarded_host"):
        assert (await site.get("/v1/status", **{header: "127.0.0.1"})).status == 401


async def test_headers_of_a_trusted_proxy_count(listening: Any) -> None:
    """Host, scheme and address; those of others do not."""
    trusted = (ipaddress.ip_network("127.0.0.1"),)
    async with listening(trusted_proxies=trusted, hosts=("ports.example.org",)) as site:
        forwarded = {
            "x_forwarded_for": "203.0.113.9",
            "x_forwarded_host": "ports.example.org",
            "x_forwarded_proto": "https",
            "origin": "https://ports.example.org",
        }
        assert (await site.get("/v1/status", **forwarded)).status == 401
        login = await site.log_in(site.bearer().split()[1], **forwarded)
        assert login.headers["set-cookie"].startswith("__Host-portmapper=")
        assert "Secure" in login.headers["set-cookie"]
        assert (await site.get("/v1/status", cookie=login.cookie, **forwarded)).status == 200
        other_port = {**forwarded, "origin": "https://ports.example.org:8443"}
        assert (await site.get("/v1/status", cookie=login.cookie, **other_port)).status == 200
        foreign = {**forwarded, "origin": "https://www.example.org"}
        assert (await site.get("/v1/status", cookie=login.cookie, **foreign)).status == 403
        assert (await site.get("/v1/status", **{**forwarded, "x_forwarded_host": "x.example"})).status == 421


@pytest.mark.parametrize("path", ["/v1/status", "/nothing", "/login", "/healthz", "/v1/reload"])
async def test_every_answer_has_the_headers_for_browsers(site: Any, path: str) -> None:
    """Errors too."""
    headers = (await site.get(path, accept="text/html")).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["server"], headers["cache-control"]) == ("portmapper", "no-store")


async def test_a_browser_is_sent_to_the_login(open_site: Any) -> None:
    """And comes back to the page that it asked for."""
    answer = await open_site.get("/history?q=a%26b", accept="text/html")
    assert (answer.status, answer.headers["location"]) == (303, "/login?next=/history%3Fq%3Da%2526b")
    api = await open_site.get("/v1/status", accept="text/html")
    assert api.status == 401


async def test_a_browser_sees_other_errors_as_a_page(site: Any) -> None:
    """With the text of the problem, never as markup."""
    answer = await site.get("/%3Cscript%3E", accept="text/html")
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert b"&lt;script&gt;" in answer.body
    assert b"<script>" not in answer.body


@pytest.mark.parametrize("with_cookie", [True, False])
async def test_a_stream_ends_with_its_login(open_site: Any, with_cookie: bool) -> None:
    """Before the next event."""
    site = open_site
    bearer = site.bearer()
    cookie = (await site.log_in(bearer.split()[1])).cookie if with_cookie else None
    sent = {"cookie": cookie} if with_cookie else {"authorization": bearer}
    stream = asyncio.create_task(site.get("/v1/events", **sent))
    async with asyncio.timeout(60):
        while not site.daemon.listeners:
            await asyncio.sleep(0.01)
        site.daemon.publish(Event(datetime(2026, 1, 1, tzinfo=UTC), EventKind.OPENED, "seen"))
        site.tokens.revoke("token-1")
        site.daemon.publish(Event(datetime(2026, 1, 1, tzinfo=UTC), EventKind.OPENED, "unseen"))
        answer = await stream
    assert b"unseen" not in answer.body
    assert answer.status == 200
