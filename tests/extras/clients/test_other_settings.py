"""Real clients with other settings than those of a new installation."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from portmapper_clients.deluge import DelugeObserver
from portmapper_clients.qbittorrent import QBittorrentObserver
from portmapper_clients.transmission import TransmissionObserver
from torrent_clients import CLIENTS, QBittorrent, TorrentClient, Transmission

from portmapper.api import EventKind, structure

pytestmark = pytest.mark.lab

OBSERVERS: dict[str, Any] = {
    kind.name: kind for kind in (QBittorrentObserver, TransmissionObserver, DelugeObserver)
}
PATIENCE = 60.0


@pytest.fixture
def make(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Callable[[type[TorrentClient]], Any]]:
    """Make a client that is not started yet."""
    made: list[TorrentClient] = []

    def new(kind: type[TorrentClient]) -> TorrentClient:
        made.append(kind(tmp_path, free_port))
        return made[-1]

    yield new
    for client in made:
        client.stop()


def set_lines(client: TorrentClient, *lines: str) -> None:
    """Add preferences to qBittorrent."""
    path = client.place / "qBittorrent" / "config" / "qBittorrent.conf"
    path.write_text(path.read_text().replace("[Preferences]\n", "[Preferences]\n" + "\n".join(lines) + "\n"))


def set_keys(client: TorrentClient, **keys: Any) -> None:
    """Change settings of Transmission."""
    path = client.place / "settings.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


@contextlib.asynccontextmanager
async def following(client: TorrentClient, event: Any, **changes: Any) -> AsyncIterator[Any]:
    """Run the client's observer, and tell it the granted port."""
    kind = OBSERVERS[client.name]
    observer = kind(settings=structure(kind.settings, {**client.table, "mapping": "torrents", **changes}))
    await observer.observe(event)
    try:
        yield observer
    finally:
        await observer.close()


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


def warning(caplog: pytest.LogCaptureFixture) -> str:
    """Return the only warning, in one line."""
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "\n" not in line
    return line


def certificate(place: Path) -> tuple[Path, Path]:
    """Make a self-signed certificate for loopback, and its key."""
    made, key = place / "certificate.pem", place / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = ["-subj", "/CN=torrents", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(made)]
    subprocess.run([*words, *names, *files], check=True, capture_output=True)
    return made, key


async def test_qbittorrent_over_https_is_verified(
    make: Any, granted: Any, free_port: Callable[[], int], tmp_path: Path, caplog: Any
) -> None:
    """A self-signed certificate must be named in the settings."""
    client = make(QBittorrent)
    made, key = certificate(tmp_path)
    files = (f"WebUI\\HTTPS\\CertificatePath={made}", f"WebUI\\HTTPS\\KeyPath={key}")
    set_lines(client, "WebUI\\HTTPS\\Enabled=true", *files)
    client.start()
    port, url = free_port(), f"https://127.0.0.1:{client.control}"
    async with following(client, granted(port), url=url):
        await until(lambda: caplog.records, "reported")
    assert "its certificate is not trusted: self-signed certificate" in warning(caplog)
    async with following(client, granted(port), url=url, ca_file=str(made)):
        await until(lambda: client.accepts(port), f"listening on {port}")


@pytest.mark.parametrize(
    "login", [{"username": "", "password": ""}, {"password": "wrong"}, {"username": "nobody", "password": ""}]
)
async def test_qbittorrent_without_a_login_for_this_host(
    make: Any, granted: Any, free_port: Callable[[], int], login: dict[str, str]
) -> None:
    """No login is needed, and any is accepted."""
    client = make(QBittorrent)
    path = client.place / "qBittorrent" / "config" / "qBittorrent.conf"
    path.write_text(path.read_text().replace("LocalHostAuth=true", "LocalHostAuth=false"))
    client.start()
    port = free_port()
    async with following(client, granted(port), **login):
        await until(lambda: client.accepts(port), f"listening on {port}")


async def test_qbittorrent_that_requires_a_login_is_not_asked_again(
    make: Any, granted: Any, free_port: Callable[[], int], caplog: Any
) -> None:
    """The line names the missing key."""
    client = make(QBittorrent)
    client.start()
    async with following(client, granted(free_port()), username="", password=""):
        await until(lambda: caplog.records, "reported")
    assert "requires a login, and username is not set" in warning(caplog)


async def test_a_ban_by_others_is_reported_and_outlasted(
    make: Any, granted: Any, free_port: Callable[[], int], caplog: Any
) -> None:
    """Another program on this host used an invalid password."""
    client = make(QBittorrent)
    set_lines(client, "WebUI\\MaxAuthenticationFailCount=1", "WebUI\\BanDuration=2")
    client.start()
    place = f"http://127.0.0.1:{client.control}"
    login = urllib.request.Request(f"{place}/api/v2/auth/login", b"username=admin&password=bad")
    with urllib.request.urlopen(login) as answer:
        assert answer.read() == b"Fails."
    port = free_port()
    async with following(client, granted(port)):
        await until(lambda: client.accepts(port), f"listening on {port}")
    assert "bans this host after too many invalid logins" in warning(caplog)


@pytest.mark.parametrize(
    ("keys", "path"),
    [({"rpc-authentication-required": False}, ""), ({"rpc-url": "/torrents/"}, "/torrents/rpc")],
)
async def test_transmission_without_a_login_and_at_another_path(
    make: Any, granted: Any, free_port: Callable[[], int], keys: dict[str, Any], path: str
) -> None:
    """The path of the URL is used if it ends in /rpc."""
    client = make(Transmission)
    set_keys(client, **keys)
    client.start()
    port = free_port()
    async with following(client, granted(port), url=f"http://127.0.0.1:{client.control}{path}"):
        await until(lambda: client.accepts(port), f"listening on {port}")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"rpc-url": "/torrents/"}, "check the path /transmission/rpc"),
        ({"rpc-whitelist": "192.0.2.*", "rpc-whitelist-enabled": True}, "check rpc-whitelist"),
    ],
)
async def test_transmission_that_does_not_accept_requests_names_the_setting(
    make: Any, granted: Any, free_port: Callable[[], int], caplog: Any, keys: dict[str, Any], reason: str
) -> None:
    """The login is not blamed."""
    client = make(Transmission)
    set_keys(client, **keys)
    client.start()
    async with following(client, granted(free_port())):
        await until(lambda: caplog.records, "reported")
    assert reason in warning(caplog)
    assert "password" not in warning(caplog)


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.name)
async def test_a_restarted_client_follows_a_port_that_changed_meanwhile(
    make: Any, granted: Any, free_port: Callable[[], int], kind: type[TorrentClient]
) -> None:
    """The old session is of no use, and a new one begins."""
    client = make(kind)
    client.start()
    first, second = free_port(), free_port()
    async with following(client, granted(first)) as observer:
        await until(lambda: client.accepts(first), f"listening on {first}")
        client.stop()
        await observer.observe(granted(second, kind=EventKind.EXTERNAL_PORT_CHANGED))
        client.start()
        await until(lambda: client.accepts(second), f"listening on {second}")
        assert not client.accepts(first)
