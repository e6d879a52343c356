"""The tables of clients, and the observer of those with a URL and a password."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import attrs

from portmapper.api import READ
from portmapper_clients.follower import Follower
from portmapper_clients.settings import base_url, check_mapping, row_name


@attrs.frozen
class LoginTable:
    """The keys that clients with a login share.

    Attributes:
        username: user name.
        password: password.
        password_file: absolute path of a file with the password.
        mapping: comment or port of the row.
    """

    username: str = ""
    password: str = attrs.field(default="", repr=False)
    password_file: Path | None = None
    mapping: str = attrs.field(default="", metadata={READ: row_name})


@attrs.frozen
class WebTable(LoginTable):
    """The keys of `[plugin.qbittorrent]` and `[plugin.transmission]`.

    Attributes:
        url: address of the client; without it, the plugin does nothing.
    """

    url: str = attrs.field(default="", metadata={READ: base_url})

    def __attrs_post_init__(self) -> None:
        check_mapping(self.url, self.mapping)


class WebFollower(Follower):
    """An observer of a client with a URL, a user name and a password."""

    settings: ClassVar[type] = WebTable

    def __init__(self, *, settings: WebTable | None = None) -> None:
        self._table = table = settings or WebTable()
        super().__init__(table.url, table.mapping, table.password, table.password_file)
