"""Webhooks POST signed JSON, retry within limits, and do not follow redirects."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from portmapper.api.errors import SettingError
from portmapper.support.secrets import masked_parts
from portmapper_hooks import webhook
from portmapper_hooks.settings import WebhookSettings
from portmapper_hooks.webhook import SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookObserver


class Receiver:
    """HTTP server that answers each call with the next status in `answers`, then with 204."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, bytes]] = []
        self.answers: list[int] = []
        self.hangs = False
        self.url = ""

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Record a call, and answer it."""
        self.calls.append((request.headers, await request.read()))
        if self.hangs:
            await asyncio.sleep(600)
        status = self.answers.pop(0) if self.answers else 204
        headers = {"Location": "http://127.0.0.1:9/"} if status == 302 else {}
        return web.Response(status=status, headers=headers)

    @property
    def ports(self) -> list[int]:
        """The external ports received, in order."""
        return [json.loads(body)["external_port"] for _, body in self.calls]


@pytest.fixture
async def receiver(stack: AsyncExitStack) -> Receiver:
    """A server on loopback."""
    receiver = Receiver()
    application = web.Application()
    application.router.add_route("*", "/hook", receiver.take)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    return receiver


@pytest.fixture
def calling(
    stack: AsyncExitStack, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., WebhookObserver]:
    """Return a function that makes an observer for the server, with short retry delays."""
    monkeypatch.setattr(webhook, "FIRST_DELAY", 0.01)

    def make(**table: Any) -> WebhookObserver:
        observer = WebhookObserver.from_table([{"on": "opened", "url": receiver.url, **table}])
        assert observer is not None
        stack.push_async_callback(observer.close)
        return observer

    return make


async def test_an_event_is_posted_as_json(calling: Any, event: Any, until: Any, receiver: Receiver) -> None:
    """It has the same fields as for a command, and no signature without a secret."""
    await calling().observe(event(comment="web"))
    await until(lambda: receiver.calls)
    headers, body = receiver.calls[0]
    assert headers["Content-Type"] == "application/json"
    assert SIGNATURE_HEADER not in headers
    fields = json.loads(body)
    assert (fields["event"], fields["external_port"], fields["comment"]) == ("opened", 8080, "web")


@pytest.mark.parametrize("kept", ["here", "utf-8", "utf-16"])
async def test_a_secret_signs_time_and_body(
    calling: Any, event: Any, until: Any, receiver: Receiver, tmp_path: Path, kept: str
) -> None:
    """The receiver can verify who sent it and when."""
    (tmp_path / "secret").write_text("hush\n", encoding="utf-8" if kept == "here" else kept)
    table = {"secret": "hush"} if kept == "here" else {"secret_file": str(tmp_path / "secret")}
    await calling(**table).observe(event())
    await until(lambda: receiver.calls)
    headers, body = receiver.calls[0]
    signed = headers[TIMESTAMP_HEADER].encode() + b"." + body
    expected = hmac.new(b"hush", signed, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE_HEADER] == f"sha256={expected}"


async def test_a_temporary_failure_is_retried(
    calling: Any, event: Any, until: Any, receiver: Receiver
) -> None:
    """The events of one mapping still arrive in order."""
    receiver.answers = [503, 429, 500]
    observer = calling()
    await observer.observe(event(1))
    await observer.observe(event(2))
    await until(lambda: receiver.ports == [1, 1, 1, 1, 2])


@pytest.mark.parametrize(("status", "calls"), [(503, 3), (404, 1), (302, 1)])
async def test_retries_are_limited(
    calling: Any,
    event: Any,
    until: Any,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    status: int,
    calls: int,
) -> None:
    """A permanent failure is not retried, and a redirect is not followed."""
    receiver.answers = [status] * 10
    observer = calling(attempts=3)
    await observer.observe(event())
    await until(lambda: f"HTTP status {status}" in caplog.text)
    assert len(receiver.calls) == calls


async def test_a_server_that_hangs_does_not_block_events_or_shutdown(
    calling: Any,
    event: Any,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`observe` returns at once, and `close` waits only until the limit."""
    monkeypatch.setattr(webhook, "FINISH_LIMIT", 0.05)
    receiver.hangs = True
    observer = calling()
    for port in range(10):
        await observer.observe(event(port, internal_port=port))
    await observer.close()
    assert "canceled 10 unfinished hooks" in caplog.text


async def test_an_unreachable_server_is_logged_on_one_line(
    calling: Any, event: Any, until: Any, free_port: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    """The log contains the host, but no secret that the URL may contain."""
    observer = calling(url=f"http://user:hush@127.0.0.1:{free_port()}/x?token=hush", attempts=2)
    await observer.observe(event())
    await until(lambda: "webhook at 127.0.0.1 on opened: no connection: Connection refused" in caplog.text)
    assert "hush" not in caplog.text


async def test_nothing_is_sent_without_a_readable_secret(
    calling: Any, event: Any, until: Any, receiver: Receiver, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """An unsigned request instead would be worse."""
    (tmp_path / "empty").write_text("\n")
    for name, message in (("none", "No such file"), ("empty", "contains no secret")):
        await calling(secret_file=str(tmp_path / name)).observe(event())
        await until(lambda message=message: message in caplog.text)
    assert receiver.calls == []


SECRET_URL = "https://user:passw0rd@hooks.example/services/T000/B000/XXXX1234?token=abcd1234&x=1"


@pytest.mark.parametrize(
    "text",
    [
        SECRET_URL,
        f"400, message='Bad status line', url=URL('{SECRET_URL}')",
        "cannot POST /services/T000/B000/XXXX1234?token=abcd1234&x=1",
        "unknown token abcd1234",
        "no such user: passw0rd",
        "XXXX1234 has been revoked",
    ],
)
def test_an_error_does_not_repeat_a_part_of_the_url(text: str) -> None:
    """The text of the library or of the server may contain it."""
    shown = masked_parts(text, SECRET_URL)
    for secret in ("passw0rd", "T000", "B000", "XXXX1234", "abcd1234", "user:"):
        assert secret not in shown
    assert masked_parts("HTTP status 404", SECRET_URL) == "HTTP status 404"


def test_the_url_is_not_in_the_representation_or_in_an_error_of_the_settings() -> None:
    """Not even if it is invalid."""
    settings = WebhookSettings(on=frozenset(), url=SECRET_URL)
    assert "hooks.example" not in repr(settings)
    for url in (
        "htps://user:passw0rd@hooks.example/XXXX1234",
        "hooks.example/XXXX1234",
        "https:///XXXX1234XXXX",
    ):
        with pytest.raises(SettingError) as failed:
            WebhookObserver.from_table([{"on": "opened", "url": url}])
        assert "passw0rd" not in str(failed.value)


async def test_a_template_sets_method_headers_and_body(
    calling: Any, event: Any, until: Any, receiver: Receiver
) -> None:
    """Values in the body are escaped as JSON, and other braces stay."""
    body = '{"port": {external_port}, "text": "{comment}: {detail}", "a": {}}'
    calling_with = {"on": "opened", "method": "PUT", "headers": {"X-Port": "p{external_port}"}, "body": body}
    await calling(**calling_with).observe(event(comment='say "hi"', detail="a\\b"))
    await until(lambda: receiver.calls)
    headers, sent = receiver.calls[0]
    assert json.loads(sent) == {"port": 8080, "text": 'say "hi": a\\b', "a": {}}
    assert (headers["X-Port"], headers["Content-Type"]) == ("p8080", "application/json")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/x-www-form-urlencoded", b"c=a%26b%3D%C3%A9"), ("text/plain", "c=a&b=\u00e9".encode())],
)
async def test_values_are_escaped_for_the_content_type(
    calling: Any, event: Any, until: Any, receiver: Receiver, content_type: str, body: bytes
) -> None:
    """The header replaces the usual one, whatever its case."""
    headers = {"content-type": content_type}
    await calling(on="opened", headers=headers, body="c={comment}").observe(event(comment="a&b=\u00e9"))
    await until(lambda: receiver.calls)
    sent_headers, sent = receiver.calls[0]
    assert (sent_headers.getall("Content-Type"), sent) == ([content_type], body)
