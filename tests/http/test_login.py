"""Logins of browsers: the form, the cookie, the end of the session."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from portmapper.http.login import safe_path
from portmapper.http.sessions import FILE_NAME


def secret(site: Any, *, read_only: bool = False) -> str:
    """Return a new token."""
    return str(site.bearer(read_only=read_only).split()[1])


async def test_the_page_has_one_visible_field(site: Any) -> None:
    """The token; the page that asked for the login is hidden."""
    page = (await site.get("/login?next=/%22%3E%3Cscript%3E", accept="text/html")).body.decode()
    inputs = re.findall(r"<input ([^>]*)>", page)
    assert [field for field in inputs if 'type="hidden"' not in field] == [inputs[0]]
    assert 'name="token"' in inputs[0]
    assert "<script>" not in page


async def test_a_login_sets_a_cookie_that_scripts_and_other_sites_cannot_use(site: Any) -> None:
    """And goes back to the page that asked for it."""
    body = f"token={secret(site)}&next=/history"
    answer = await site.send("POST", "/login", body, content_type="application/x-www-form-urlencoded")
    assert (answer.status, answer.headers["location"]) == (303, "/history")
    cookie = answer.headers["set-cookie"]
    assert re.match(r"portmapper=[\w-]{43};", cookie)
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert (await site.get("/login", cookie=answer.cookie)).status == 303


async def test_a_wrong_token_shows_the_form_again(site: Any) -> None:
    """With status 401 and the reason, and without a cookie."""
    for wrong in ("x", "", "pm_" + "x" * 5000):
        answer = await site.log_in(wrong)
        assert (answer.status, "set-cookie" in answer.headers) == (401, False)
        assert b'role="alert">this token is not valid' in answer.body


async def test_logins_are_limited(site: Any) -> None:
    """After five failures, even the valid token has to wait; a session and a script continue."""
    token, bearer = secret(site), site.bearer()
    cookie = (await site.log_in(token)).cookie
    for _ in range(5):
        assert (await site.log_in("x")).status == 401
    answer = await site.log_in(token)
    assert (answer.status, 1 <= int(answer.headers["retry-after"]) <= 60) == (429, True)
    assert (await site.get("/v1/status", authorization=bearer)).status == 200
    assert (await site.get("/v1/status", cookie=cookie)).status == 200


async def test_a_session_ends_with_the_logout(open_site: Any, csrf_of: Any) -> None:
    """The cookie is then worth nothing."""
    site = open_site
    cookie = (await site.log_in(secret(site))).cookie
    assert (await site.get("/v1/status", cookie=cookie)).status == 200
    assert (await site.post("/logout", cookie=cookie)).status == 403
    answer = await site.post("/logout", cookie=cookie, x_csrf_token=csrf_of(cookie))
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert (await site.get("/v1/status", cookie=cookie)).status == 401


async def test_a_session_ends_with_its_token(open_site: Any) -> None:
    """Also if another token gets the same name."""
    site = open_site
    cookie = (await site.log_in(secret(site))).cookie
    site.tokens.revoke("token-1")
    assert secret(site)
    assert (await site.get("/v1/status", cookie=cookie)).status == 401


async def test_a_session_survives_a_restart(listening: Any, tmp_path: Path) -> None:
    """The file has only a hash of the cookie."""
    async with listening("0.0.0.0") as site:
        cookie = (await site.log_in(secret(site))).cookie
    async with listening("0.0.0.0") as site:
        assert (await site.get("/v1/status", cookie=cookie)).status == 200
    text = (tmp_path / FILE_NAME).read_text()
    assert cookie.partition("=")[2] not in text
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


async def test_a_read_only_session_changes_nothing(site: Any, csrf_of: Any) -> None:
    """With its CSRF token too; but it can log out."""
    cookie = (await site.log_in(secret(site, read_only=True))).cookie
    answer = await site.post("/v1/reload", cookie=cookie, x_csrf_token=csrf_of(cookie))
    assert (answer.status, site.daemon.reloads) == (403, 0)
    assert (await site.post("/logout", cookie=cookie)).status == 403
    assert (await site.post("/logout", cookie=cookie, x_csrf_token=csrf_of(cookie))).status == 303


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "", "/a\nb", "/" + "x" * 5000],
)
def test_a_login_leads_only_to_pages_of_this_listener(target: str) -> None:
    """Otherwise a link could send a visitor elsewhere."""
    assert safe_path(target) == "/"
