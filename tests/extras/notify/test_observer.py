"""Messages that reach a real mail server and a webhook receiver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, time, timedelta
from email import message_from_bytes
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.controller import Controller
from portmapper_notify import observer as module
from portmapper_notify.observer import NotifyObserver
from portmapper_notify.settings import NotifyTable, is_quiet

from portmapper.api import SettingError, structure
from portmapper.testing import ObserverContract, ObserverSubject

# apprise imports every library that it can use, and some of them import modules that Python removes.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CLOSED: dict[str, Any] = {
    "protocol": "TCP",
    "family": "ipv4",
    "wanted_external_port": 8080,
    "internal_port": 80,
    "comment": "web",
    "state": "failed",
    "error": "refused",
}


class Mailbox:
    """Keeps each mail that the server accepts."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - its name
        """Accept a mail."""
        mail = message_from_bytes(envelope.content)
        parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
        self.mails.append(b"".join(parts).decode())
        return "250 OK"


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses short."""
    for name in ("PAUSE", "LOOK_SECONDS", "FIRST_DELAY"):
        monkeypatch.setattr(module, name, 0.02)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def watching(document: dict[str, Any], **table: Any) -> NotifyObserver:
    """Return an observer of a status document."""
    made = NotifyObserver(settings=structure(NotifyTable, {"delay": "0s", **table}))
    made.attach_status(lambda: document)
    return made


async def test_a_mail_reaches_a_mail_server(free_port: Callable[[], int]) -> None:
    """One message is one mail, however often the status is read."""
    mailbox, port = Mailbox(), free_port()
    server = Controller(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    try:
        url = f"mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org&mode=insecure"
        observer = watching({"mappings": [CLOSED]}, urls=[url])
        await observer.start()
        await until(lambda: mailbox.mails)
        await asyncio.sleep(0.2)
        await observer.close()
    finally:
        server.stop()
    (mail,) = mailbox.mails
    assert "8080/tcp (web) is closed" in mail


async def test_a_message_is_sent_once_the_receiver_answers(caplog: pytest.LogCaptureFixture) -> None:
    """The failure is logged once, without the URL's secrets."""
    received: list[str] = []
    statuses = [500, 500]

    async def take(request: web.Request) -> web.Response:
        if statuses:
            return web.Response(status=statuses.pop())
        received.append((await request.json())["message"])
        return web.Response()

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    document: dict[str, Any] = {"mappings": [CLOSED]}
    observer = watching(document, urls=f"json://user:s3cret@127.0.0.1:{runner.addresses[0][1]}/")
    await observer.start()
    await until(lambda: received)
    document["mappings"] = [{**CLOSED, "state": "active"}]
    await until(lambda: len(received) == 2)
    await observer.close()
    await runner.cleanup()
    assert received[1] == "8080/tcp (web) is open again"
    assert len([record for record in caplog.records if "not sent" in record.getMessage()]) == 1
    assert "s3cret" not in caplog.text


async def test_messages_wait_for_the_end_of_the_quiet_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are sent together."""
    sent: list[list[str]] = []
    monkeypatch.setattr(module, "send", lambda _, lines: sent.append(list(lines)) or True)
    quiet = [True]
    monkeypatch.setattr(module, "is_quiet", lambda *_: quiet[0])
    document: dict[str, Any] = {"mappings": [CLOSED, {**CLOSED, "protocol": "UDP"}]}
    observer = watching(document, urls="json://127.0.0.1", quiet_hours="22:00-07:00")
    await observer.start()
    await asyncio.sleep(0.2)
    assert sent == []
    quiet[0] = False
    await until(lambda: sent)
    await observer.close()
    assert [len(lines) for lines in sent] == [2]


def test_quiet_hours_may_include_midnight() -> None:
    """Their end is not quiet any more."""
    night = structure(NotifyTable, {"quiet_hours": "22:00-07:00"}).quiet_hours
    assert [is_quiet(night, time(hour)) for hour in (21, 22, 0, 6, 7)] == [False, True, True, True, False]
    assert not is_quiet(None, (datetime.now() + timedelta(hours=1)).time())


@pytest.mark.parametrize(
    "table",
    [
        {"urls": ["nothing"]},
        {"urls": [1]},
        {"delay": "soon"},
        {"delay": True},
        {"quiet_hours": "22-7"},
        {"quiet_hours": "25:00-07:00"},
        {"messages": ["close"]},
        {"url": "x"},
    ],
)
def test_an_invalid_value_is_reported_with_its_key(table: dict[str, Any]) -> None:
    """The key is the path of the error."""
    with pytest.raises(SettingError) as caught:
        structure(NotifyTable, table)
    assert caught.value.path == tuple(table)
    assert json.dumps(caught.value.reason)


class TestContract(ObserverContract):
    """An observer without settings."""

    @pytest.fixture
    def subject(self) -> ObserverSubject:
        """Return the observer."""
        return ObserverSubject(NotifyObserver())
