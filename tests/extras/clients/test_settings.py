"""Tables and environment variables of the clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from portmapper_clients.deluge import DelugeTable
from portmapper_clients.errors import ClientFailure
from portmapper_clients.plex import PlexTable
from portmapper_clients.settings import read_secret
from portmapper_clients.tables import WebTable
from portmapper_clients.transmission import rpc_place

from portmapper.api import SettingError, structure
from portmapper.pluginhost.manager import load_plugins
from portmapper.pluginhost.settings import SETTINGS

URL = {"url": "http://127.0.0.1:8080", "mapping": "torrents"}


@pytest.mark.parametrize("kind", [WebTable, DelugeTable, PlexTable])
def test_every_key_is_optional(kind: type[Any]) -> None:
    """An installed extra without settings does nothing."""
    assert structure(kind, {}).mapping == ""


@pytest.mark.parametrize(
    ("kind", "table", "key", "reason"),
    [
        (WebTable, {"url": "http://127.0.0.1:8080"}, "mapping", "is missing"),
        (DelugeTable, {"host": "127.0.0.1"}, "mapping", "is missing"),
        (WebTable, {**URL, "url": "127.0.0.1:8080"}, "url", "must be http://HOST:PORT"),
        (WebTable, {**URL, "url": "http://a:b@c"}, "url", "without a user"),
        (WebTable, {**URL, "url": "http://[::1"}, "url", "is not a URL"),
        (WebTable, {**URL, "url": "http://c/?a=b"}, "url", "must not have a query"),
        (PlexTable, {**URL, "url": 1}, "url", "must be http://HOST:PORT"),
        (PlexTable, {**URL, "mapping": True}, "mapping", "is not the comment or the port"),
        (PlexTable, {**URL, "token_file": "token"}, "token_file", "is not an absolute path"),
        (PlexTable, {**URL, "passwort": "x"}, "passwort", "unknown key"),
        (DelugeTable, {"host": "a", "mapping": 1, "port": 0}, "port", "is not a port from 1 to 65535"),
    ],
)
def test_an_invalid_value_is_reported_with_its_key(
    kind: type[Any], table: dict[str, Any], key: str, reason: str
) -> None:
    """The password in a URL is not repeated."""
    with pytest.raises(SettingError, match=reason) as caught:
        structure(kind, table)
    assert caught.value.path == (key,)


def test_the_environment_sets_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of the plugins are those of the entry points."""
    monkeypatch.setenv("PORTMAPPER_PLUGIN_DELUGE_HOST", "127.0.0.1")
    monkeypatch.setenv("PORTMAPPER_PLUGIN_DELUGE_PORT", "5000")
    monkeypatch.setenv("PORTMAPPER_PLUGIN_DELUGE_PASSWORD", "123")
    monkeypatch.setenv("PORTMAPPER_PLUGIN_DELUGE_MAPPING", "6881")
    plugins = load_plugins()
    plugins.check_settings()
    table = SETTINGS.of("deluge", DelugeTable)
    assert (table.host, table.port, table.password, table.mapping) == ("127.0.0.1", 5000, "123", "6881")
    names = {observer.name for observer in plugins.observers(())}
    assert names >= {"qbittorrent", "transmission", "deluge", "plex"}


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://host:9091", ("http", "host", 9091, "/transmission/rpc")),
        ("http://host", ("http", "host", 9091, "/transmission/rpc")),
        ("https://host/transmission/rpc", ("https", "host", 443, "/transmission/rpc")),
        ("http://[::1]:1/transmission/", ("http", "[::1]", 1, "/transmission/rpc")),
        ("https://host/box/transmission/rpc/", ("https", "host", 443, "/box/transmission/rpc")),
        ("https://host/other/rpc", ("https", "host", 443, "/other/rpc")),
    ],
)
def test_transmission_accepts_its_base_url_and_that_of_rpc(url: str, place: tuple[object, ...]) -> None:
    """A web server in front of it may use another path."""
    assert tuple(rpc_place(structure(WebTable, {**URL, "url": url}).url).values()) == place


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    """The final newline is no part of it, and a missing file is named."""
    file = tmp_path / "password"
    file.write_text(" pass word \n")
    assert read_secret("", file) == " pass word "
    assert read_secret("other", None) == "other"
    with pytest.raises(ClientFailure, match="missing: No such file"):
        read_secret("", tmp_path / "missing")
    file.write_bytes(b"\xff")
    with pytest.raises(ClientFailure, match="is not UTF-8"):
        read_secret("", file)
