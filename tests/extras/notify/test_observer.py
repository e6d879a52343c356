"""Messages that reach a real mail server and a webhook receiver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, time, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.controller import Controller
from portmapper_notify import observer as module
from portmapper_notify import outbox
from portmapper_notify.observer import NotifyObserver
from portmapper_notify.settings import NotifyTable, is_quiet, rules_of

from portmapper.api import SettingError, structure
from portmapper.support.plugin_state import STATE
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
    for name in ("PAUSE", "LOOK_SECONDS"):
        monkeypatch.setattr(module, name, 0.02)
    monkeypatch.setattr(outbox, "FIRST_DELAY", 0.02)


@pytest.fixture(autouse=True)
def state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the state of each test apart."""
    monkeypatch.setattr(STATE, "directory", tmp_path)
    return tmp_path


Sent = list[tuple[str, list[str]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The messages that were sent, each with its URL."""
    found: Sent = []
    monkeypatch.setattr(outbox, "send", lambda url, lines: found.append((url, list(lines))) or True)
    return found


async def one_round(observer: NotifyObserver) -> None:
    """Start an observer, let it look at the status and send what is due, and stop it."""
    looks = []
    status = observer._status
    observer.attach_status(lambda: looks.append(1) or status())  # type: ignore[func-returns-value]
    await observer.start()
    await until(lambda: len(looks) > 2)
    await observer.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(60):
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


async def test_messages_wait_for_the_end_of_the_quiet_hours(
    monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    """They are sent together."""
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
    assert [len(lines) for _, lines in sent] == [2]


async def test_a_restart_repeats_no_message(sent: Sent) -> None:
    """The end of what was sent is sent by the next run."""
    document: dict[str, Any] = {"mappings": [CLOSED]}
    await one_round(watching(document, urls="json://a"))
    await one_round(watching(document, urls="json://a"))
    assert [len(lines) for _, lines in sent] == [1]
    document["mappings"] = [{**CLOSED, "state": "active"}]
    await one_round(watching(document, urls="json://a"))
    await one_round(watching(document, urls="json://a"))
    assert sent[1:] == [("json://a", ["8080/tcp (web) is open again"])]


async def test_what_waits_at_a_restart_is_sent_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    """The quiet hours may end meanwhile."""
    quiet = [True]
    monkeypatch.setattr(module, "is_quiet", lambda *_: quiet[0])
    document: dict[str, Any] = {"mappings": [CLOSED]}
    await one_round(watching(document, urls="json://a"))
    assert sent == []
    quiet[0] = False
    await one_round(watching(document, urls="json://a"))
    assert [len(lines) for _, lines in sent] == [1]


async def test_a_port_that_opens_again_during_the_quiet_hours_is_no_message(
    monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    """`open` is sent only if `closed` was."""
    quiet = [True]
    monkeypatch.setattr(module, "is_quiet", lambda *_: quiet[0])
    document: dict[str, Any] = {"mappings": [CLOSED]}
    await one_round(watching(document, urls="json://a"))
    document["mappings"] = [{**CLOSED, "state": "active"}]
    await one_round(watching(document, urls="json://a"))
    quiet[0] = False
    await one_round(watching(document, urls="json://a"))
    assert sent == []


async def test_each_kind_has_its_own_urls_and_quiet_hours(
    monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    """An empty text turns the quiet hours off for a kind."""
    monkeypatch.setattr(module, "is_quiet", lambda periods, _: bool(periods))
    document: dict[str, Any] = {
        "mappings": [CLOSED],
        "sources": [{"location": "ports.csv", "state": "failed", "error": "gone"}],
    }
    rules = {"closed": {"urls": ["json://b", "json://c"], "quiet_hours": ""}, "list": {"enabled": False}}
    await one_round(watching(document, urls="json://a", quiet_hours="00:00-23:59", **rules))
    text = "8080/tcp (web) is closed for more than 0s: refused"
    assert sorted(sent) == [("json://b", [text]), ("json://c", [text])]


async def test_a_receiver_that_fails_delays_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one gets the message once."""
    calls: list[str] = []
    monkeypatch.setattr(outbox, "send", lambda url, _: calls.append(url) or url == "json://a")
    observer = watching({"mappings": [CLOSED]}, urls="json://a json://b")
    await observer.start()
    await until(lambda: calls.count("json://b") > 2)
    await observer.close()
    assert calls.count("json://a") == 1


async def test_a_damaged_state_is_replaced(state_directory: Path, sent: Sent) -> None:
    """Messages are sent all the same."""
    (state_directory / "plugin-notify.json").write_text('{"conditions": 5, "waiting": [1]}')
    await one_round(watching({"mappings": [CLOSED]}, urls="json://a"))
    assert len(sent) == 1
    (state_directory / "plugin-notify.json").write_text("[[")
    await one_round(watching({"mappings": [CLOSED]}, urls="json://a"))
    assert len(sent) == 2


def test_a_kind_takes_what_it_does_not_set_from_the_table() -> None:
    """The delay of the table is for ports and lists only."""
    written = {"urls": ["json://a"], "delay": "10m", "open": {"delay": "1m"}, "cgnat": {"enabled": False}}
    rules = rules_of(structure(NotifyTable, {**written, "list": {"delay": "1h"}}))
    assert {kind: rule.delay for kind, rule in rules.items()} == {
        "closed": 600,
        "open": 60,
        "address": 0,
        "list": 3600,
    }


def test_quiet_hours_may_include_midnight() -> None:
    """Their end is not quiet any more."""
    night = structure(NotifyTable, {"quiet_hours": "22:00-07:00"}).quiet_hours
    assert [is_quiet(night, time(hour)) for hour in (21, 22, 0, 6, 7)] == [False, True, True, True, False]
    assert not is_quiet((), (datetime.now() + timedelta(hours=1)).time())


@pytest.mark.parametrize("key", ["delay", "quiet_hours", "urls", "enabled", "level"])
def test_an_invalid_value_of_a_kind_is_reported_with_its_key(key: str) -> None:
    """The path has the kind and the key."""
    with pytest.raises(SettingError) as caught:
        structure(NotifyTable, {"closed": {key: "soon"}})
    assert caught.value.path == ("closed", key)


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
        {"closed": 5},
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
