"""The observer `qbittorrent`: sets the port over the web interface's API."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, NoReturn

import attrs

from portmapper.api import Observer, hookimpl
from portmapper_clients.errors import ClientFailure, LoginRefused
from portmapper_clients.follower import CALL_SECONDS, Client
from portmapper_clients.tables import WebFollower, WebTable


@attrs.frozen
class QBittorrentTable(WebTable):
    """The keys of `[plugin.qbittorrent]`.

    Attributes:
        ca_file: absolute path of the certificates that prove the web interface over HTTPS, in PEM.
    """

    ca_file: Path | None = None


class QBittorrentObserver(WebFollower):
    """Keeps the listening port of qBittorrent equal to the granted port."""

    name = "qbittorrent"
    settings: ClassVar[type] = QBittorrentTable

    def __init__(self, *, settings: QBittorrentTable | None = None) -> None:
        table = settings or QBittorrentTable()
        self._authority = table.ca_file
        super().__init__(settings=table)

    def connect(self, secret: str) -> Client:
        """Return a connection; log in if there is a user name."""
        return _QBittorrent(self._table.url, self._table.username, secret, self._authority)


class _QBittorrent(Client):
    def __init__(self, url: str, username: str, password: str, authority: Path | None) -> None:
        import qbittorrentapi

        class Session(qbittorrentapi.Client):
            """A session that never logs in by itself: each failed login counts for a ban."""

            def auth_log_in(self, *_: object, **__: object) -> NoReturn:
                raise (
                    ClientFailure(f"{url}: the session ended")
                    if username
                    else LoginRefused(f"{url} requires a login, and username is not set")
                )

        if authority is not None and not authority.is_file():
            raise ClientFailure(f"{authority}: there is no such file")
        verify = {"verify": str(authority)} if authority is not None else {}
        self._client = Session(
            host=url,
            REQUESTS_ARGS={"timeout": (CALL_SECONDS, CALL_SECONDS), **verify},
            HTTPADAPTER_ARGS={"max_retries": 0},
            FORCE_SCHEME_FROM_HOST=True,
        )
        if username:
            self._log_in(url, username, password)

    def _log_in(self, url: str, username: str, password: str) -> None:
        import qbittorrentapi

        try:
            qbittorrentapi.Client.auth_log_in(self._client, username, password)
        except qbittorrentapi.LoginFailed:
            raise LoginRefused(f"{url} refused username and password") from None
        except qbittorrentapi.HTTP403Error:
            raise ClientFailure(f"{url} bans this host after too many invalid logins") from None

    def port(self) -> int:
        """Return the port in the preferences."""
        return int(str(self._client.app_preferences()["listen_port"]))

    def set_port(self, port: int) -> None:
        """Set the port, also for the next start."""
        self._client.app_set_preferences({"listen_port": port, "random_port": False})


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register the observer `qbittorrent`."""
    return [QBittorrentObserver]
