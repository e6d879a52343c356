"""Webhooks carry signed JSON, are tried again within bounds, and follow nobody elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from portmapper.api.errors import SettingError
from portmapper.api.events import Event, EventKind
from portmapper.api.model import Protocol
from portmapper_hooks import webhook
from portmapper_hooks.webhook import SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookObserver

PATIENCE = 30.0


def event(port: int = 8080, **more: Any) -> Event:
    """Return an event of one mapping."""
    facts = {
        "protocol": Protocol.TCP,
        "internal_port": 80,
        "wanted_external_port": 8080,
        "external_port": port,
    }
    return Event(datetime(2026, 1, 1, tzinfo=UTC), EventKind.OPENED, **{**facts, **more})


async def until(condition: Callable[[], object]) -> None:
    """Wait until something has come true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


class Receiver:
    """A server that is called; it answers each call with the next of `answers`, then with 204."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, bytes]] = []
        self.answers: list[int] = []
        self.hangs = False
        self.url = ""

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Note a call, and answer it."""
        self.calls.append((request.headers, await request.read()))
        if self.hangs:
            await asyncio.sleep(600)
        status = self.answers.pop(0) if self.answers else 204
        headers = {"Location": "http://127.0.0.1:9/"} if status == 302 else {}
        return web.Response(status=status, headers=headers)

    @property
    def ports(self) -> list[int]:
        """The ports that were told, in order."""
        return [json.loads(body)["external_port"] for _, body in self.calls]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is closed at the end of the test."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def receiver(stack: AsyncExitStack) -> Receiver:
    """A server on loopback."""
    receiver = Receiver()
    application = web.Application()
    application.add_routes([web.post("/hook", receiver.take)])
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
    """Make an observer that calls the server, with pauses that no test waits for."""
    monkeypatch.setattr(webhook, "FIRST_PAUSE", 0.01)

    def make(**table: Any) -> WebhookObserver:
        observer = WebhookObserver.configured([{"on": "opened", "url": receiver.url, **table}])
        assert observer is not None
        stack.push_async_callback(observer.close)
        return observer

    return make


async def test_an_event_is_posted_as_json(calling: Any, receiver: Receiver) -> None:
    """With the same facts as a command gets, and unsigned where there is no secret."""
    await calling().observe(event(comment="web"))
    await until(lambda: receiver.calls)
    headers, body = receiver.calls[0]
    assert headers["Content-Type"] == "application/json"
    assert SIGNATURE_HEADER not in headers
    facts = json.loads(body)
    assert (facts["event"], facts["external_port"], facts["comment"]) == ("opened", 8080, "web")


@pytest.mark.parametrize("kept", ["here", "in a file"])
async def test_a_secret_signs_time_and_body(
    calling: Any, receiver: Receiver, tmp_path: Path, kept: str
) -> None:
    """The receiver can tell that it is from us, and that it is fresh."""
    (tmp_path / "secret").write_text("hush\n")
    table = {"secret": "hush"} if kept == "here" else {"secret_file": str(tmp_path / "secret")}
    await calling(**table).observe(event())
    await until(lambda: receiver.calls)
    headers, body = receiver.calls[0]
    signed = headers[TIMESTAMP_HEADER].encode() + b"." + body
    expected = hmac.new(b"hush", signed, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE_HEADER] == f"sha256={expected}"


async def test_what_fails_for_now_is_tried_again(calling: Any, receiver: Receiver) -> None:
    """The events of one mapping arrive in their order all the same."""
    receiver.answers = [503, 429, 500]
    observer = calling()
    await observer.observe(event(1))
    await observer.observe(event(2))
    await until(lambda: receiver.ports == [1, 1, 1, 1, 2])


@pytest.mark.parametrize(("status", "calls"), [(503, 3), (404, 1), (302, 1)])
async def test_it_is_given_up_in_the_end(
    calling: Any, receiver: Receiver, caplog: pytest.LogCaptureFixture, status: int, calls: int
) -> None:
    """After so many attempts, or at once where another makes no sense; a redirect is not followed."""
    receiver.answers = [status] * 10
    observer = calling(attempts=3)
    await observer.observe(event())
    await until(lambda: f"HTTP status {status}" in caplog.text)
    assert len(receiver.calls) == calls


async def test_a_server_that_hangs_holds_up_nobody_else(
    calling: Any, receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events are taken at once, and the end of the program does not wait for it."""
    monkeypatch.setattr(webhook, "FINISH_LIMIT", 0.05)
    receiver.hangs = True
    observer = calling()
    for port in range(10):
        await observer.observe(event(port, internal_port=port))
    await observer.close()
    assert "10 hook(s) are given up" in caplog.text


async def test_nobody_there_is_one_line(
    calling: Any, free_port: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the host, and no secret that the URL may hold."""
    observer = calling(url=f"http://user:hush@127.0.0.1:{free_port()}/x?token=hush", attempts=2)
    await observer.observe(event())
    await until(lambda: "webhook at 127.0.0.1 on opened" in caplog.text)
    assert "hush" not in caplog.text


async def test_a_secret_that_cannot_be_read_sends_nothing(
    calling: Any, receiver: Receiver, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """An unsigned request in its place would be worse."""
    (tmp_path / "empty").write_text("\n")
    for name, told in (("none", "No such file"), ("empty", "holds no secret")):
        await calling(secret_file=str(tmp_path / name)).observe(event())
        await until(lambda told=told: told in caplog.text)
    assert receiver.calls == []


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"on": "opened", "url": "ftp://x/"}, "webhook[0].url: 'ftp://x/' is not an http or https URL"),
        ({"on": "opened", "url": "http://[::1"}, "is not an http or https URL"),
        ({"on": "opened", "url": "http://x/", "attempts": 99}, "webhook[0].attempts: 99 is not a number"),
        ({"on": "opened", "url": "http://x/", "secret_file": "s"}, "'s' is not an absolute path"),
    ],
)
def test_a_wrong_table_is_told(table: dict[str, Any], told: str) -> None:
    """With the path of the key."""
    with pytest.raises(SettingError) as caught:
        WebhookObserver.configured([table])
    assert told in str(caught.value)
