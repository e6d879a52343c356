"""The observer `plex`: sets the public port of a Plex Media Server over its API."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import attrs

from portmapper.api import READ, Observer, hookimpl
from portmapper_clients.errors import LoginRefused
from portmapper_clients.follower import CALL_SECONDS, Client, Follower
from portmapper_clients.settings import base_url, check_mapping, row_name


@attrs.frozen
class PlexTable:
    """The keys of `[plugin.plex]`.

    Attributes:
        url: address of the server; without it, the plugin does nothing.
        token: the server's token.
        token_file: absolute path of a file with the token.
        mapping: comment or port of the row.
    """

    url: str = attrs.field(default="", metadata={READ: base_url})
    token: str = attrs.field(default="", repr=False)
    token_file: Path | None = None
    mapping: str = attrs.field(default="", metadata={READ: row_name})

    def __attrs_post_init__(self) -> None:
        check_mapping(self.url, self.mapping)


class PlexObserver(Follower):
    """Keeps the manually specified public port of Plex equal to the granted port."""

    name = "plex"
    settings: ClassVar[type] = PlexTable

    def __init__(self, *, settings: PlexTable | None = None) -> None:
        self._table = table = settings or PlexTable()
        super().__init__(table.url, table.mapping, table.token, table.token_file)

    def connect(self, secret: str) -> Client:
        """Return a connection. There is no session: each request contains the token."""
        return _Plex(self._table.url, secret)


class _Plex(Client):
    def __init__(self, url: str, token: str) -> None:
        import plexapi.exceptions
        import plexapi.server

        try:
            self._server = plexapi.server.PlexServer(url, token or None, timeout=CALL_SECONDS)
        except plexapi.exceptions.Unauthorized:
            raise LoginRefused(f"{url} refused the token") from None

    def port(self) -> int:
        """Return the public port, 0 if the server chooses it."""
        settings = self._settings()
        is_manual = settings.get("ManualPortMappingMode").value
        return int(settings.get("ManualPortMappingPort").value) if is_manual else 0

    def set_port(self, port: int) -> None:
        """Set the public port, and that it is specified manually."""
        settings = self._settings()
        settings.get("ManualPortMappingMode").set(True)
        settings.get("ManualPortMappingPort").set(port)
        settings.save()

    def _settings(self) -> Any:
        # The library's `reload` of settings reads only the first one.
        from plexapi.settings import Settings

        return Settings(self._server, self._server.query(Settings.key))


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register the observer `plex`."""
    return [PlexObserver]
